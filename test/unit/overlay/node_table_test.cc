// SPDX-License-Identifier: MIT
//
// The node table: ids that are never used twice, and who keeps whom alive.

#include "overlay/node_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "test/unit/overlay/colliding_names.h"

namespace veneer::overlay {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class NodeTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    table_.on_drop = [this](Node& node) { dropped_.push_back(node.number); };
    table_.set_root(std::make_unique<Node>(S_IFDIR, 1));
  }
  NodeRef dir(std::uint64_t number) {
    return table_.insert(std::make_unique<Node>(S_IFDIR, number));
  }
  NodeRef file(std::uint64_t number) {
    return table_.insert(std::make_unique<Node>(S_IFREG, number));
  }

  std::vector<std::uint64_t> dropped_;
  NodeTable table_;
};

TEST_F(NodeTableTest, RootIsOneAndStays) {
  EXPECT_EQ(raw(table_.root()->id), 1U);
  table_.forget(kRootId, 1'000'000);
  EXPECT_TRUE(table_.get(kRootId));
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NodeTableTest, IdsThatAreNotInUseLeadNowhere) {
  for (const std::uint64_t id :
       {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{1} << 32 | 1,
        ~std::uint64_t{0}, std::uint64_t{0xffffffff}}) {
    EXPECT_FALSE(table_.get(NodeId{id})) << id;
    table_.forget(NodeId{id}, 1);
  }
}

TEST_F(NodeTableTest, IdIsNeverUsedTwice) {
  const NodeId first = file(2)->id;

  EXPECT_FALSE(table_.get(first));
  const NodeRef second = file(3);
  EXPECT_NE(raw(second->id), raw(first));
  EXPECT_FALSE(table_.get(first));
  EXPECT_EQ(static_cast<std::uint32_t>(raw(second->id)),
            static_cast<std::uint32_t>(raw(first)));
}

TEST_F(NodeTableTest, LookupCountKeepsANodeUntilItIsGivenBack) {
  NodeRef node = file(2);
  const NodeId id = node->id;
  table_.count_lookup(*node);
  table_.count_lookup(*node);
  node = {};

  EXPECT_TRUE(table_.get(id));
  table_.forget(id, 1);
  EXPECT_TRUE(table_.get(id));
  table_.forget(id, 1);

  EXPECT_FALSE(table_.get(id));
  EXPECT_THAT(dropped_, UnorderedElementsAre(2U));
}

TEST_F(NodeTableTest, MoreForgottenThanCountedIsAllOfThem) {
  NodeRef node = file(2);
  const NodeId id = node->id;
  table_.count_lookup(*node);
  table_.forget(id, ~std::uint64_t{0});
  table_.forget(id, 5);

  EXPECT_TRUE(table_.get(id));
  node = {};
  EXPECT_FALSE(table_.get(id));
}

TEST_F(NodeTableTest, EdgeIsFoundByItsName) {
  const NodeRef root = table_.root();
  const NodeRef node = file(2);
  table_.add_edge(*root, "name", *node);

  EXPECT_EQ(table_.find_child(*root, "name").get(), node.get());
  EXPECT_FALSE(table_.find_child(*root, "nam"));
  EXPECT_FALSE(table_.find_child(*root, "names"));
  EXPECT_FALSE(table_.find_child(*root, ""));
  const auto place = table_.place_of(*node);
  ASSERT_TRUE(place);
  EXPECT_EQ(place->name, "name");
  EXPECT_EQ(place->dir.get(), root.get());
}

TEST_F(NodeTableTest, NamesAreBytesOfAnyLength) {
  const NodeRef root = table_.root();
  for (const std::string& name :
       {std::string(255, 'n'), std::string("\xff\n"), std::string("a\0b", 3)}) {
    const NodeRef node = file(2);
    table_.add_edge(*root, name, *node);
    EXPECT_EQ(table_.find_child(*root, name).get(), node.get());
    EXPECT_EQ(table_.place_of(*node)->name, name);
  }
}

TEST_F(NodeTableTest, SecondEdgeOfANameIsNotAdded) {
  const NodeRef root = table_.root();
  const NodeRef first = file(2);
  const NodeRef second = file(3);
  table_.add_edge(*root, "name", *first);
  table_.add_edge(*root, "name", *second);

  EXPECT_EQ(table_.find_child(*root, "name").get(), first.get());
  EXPECT_FALSE(table_.has_edges(*second));
}

TEST_F(NodeTableTest, NodeWithSeveralNamesKnowsThemAll) {
  const NodeRef root = table_.root();
  const NodeRef node = file(2);
  table_.add_edge(*root, "a", *node);
  table_.add_edge(*root, "b", *node);
  const auto names = [&] {
    std::vector<std::string> all;
    for (const Place& place : table_.places_of(*node)) {
      all.push_back(place.name);
    }
    return all;
  };
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b"));

  EXPECT_EQ(table_.remove_edge(*root, "a").get(), node.get());
  EXPECT_FALSE(table_.remove_edge(*root, "a"));

  EXPECT_THAT(names(), UnorderedElementsAre("b"));
  EXPECT_TRUE(table_.has_edges(*node));
}

TEST_F(NodeTableTest, RemovedNameLeavesTheNodeToItsHolders) {
  const NodeRef root = table_.root();
  NodeRef node = file(2);
  const NodeId id = node->id;
  table_.count_lookup(*node);
  table_.add_edge(*root, "name", *node);
  node = {};

  EXPECT_EQ(table_.remove_edge(*root, "name")->number, 2U);
  EXPECT_FALSE(table_.find_child(*root, "name"));
  EXPECT_TRUE(table_.get(id));
  EXPECT_FALSE(table_.place_of(*table_.get(id)));
  table_.forget(id, 1);

  EXPECT_FALSE(table_.get(id));
}

TEST_F(NodeTableTest, ChildKeepsItsParentsAlive) {
  NodeRef a = dir(2);
  NodeRef b = dir(3);
  NodeRef leaf = file(4);
  const NodeId id = a->id;
  table_.add_edge(*table_.root(), "a", *a);
  table_.add_edge(*a, "b", *b);
  table_.add_edge(*b, "leaf", *leaf);
  a = {};
  b = {};
  EXPECT_TRUE(table_.get(id));
  EXPECT_THAT(dropped_, IsEmpty());

  leaf = {};

  EXPECT_FALSE(table_.get(id));
  EXPECT_THAT(dropped_, UnorderedElementsAre(2U, 3U, 4U));
  EXPECT_FALSE(table_.find_child(*table_.root(), "a"));
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NodeTableTest, ChainOfAnyLengthIsDroppedWithoutRecursion) {
  NodeRef at = table_.root();
  for (std::uint64_t i = 2; i < 100'000; ++i) {
    NodeRef next = dir(i);
    table_.add_edge(*at, "d", *next);
    at = std::move(next);
  }
  EXPECT_EQ(table_.size(), 99'999U);

  at = {};

  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(NodeTableTest, TableWithNodesInItIsFreedWhole) {
  struct Object : LayerNode {
    explicit Object(int* count) : alive(count) { ++*alive; }
    ~Object() override { --*alive; }
    int* alive;
  };
  int alive = 0;
  {
    NodeTable table;
    table.set_root(std::make_unique<Node>(S_IFDIR, 1));
    NodeRef at = table.root();
    for (std::uint64_t i = 2; i < 20'000; ++i) {
      NodeRef next = table.insert(std::make_unique<Node>(S_IFDIR, i));
      next->lower = make_ref<Object>(&alive);
      table.add_edge(*at, "d", *next);
      table.add_edge(*table.root(), "x" + std::to_string(i), *next);
      table.count_lookup(*next);
      at = std::move(next);
    }
    EXPECT_EQ(alive, 19'998);
  }
  EXPECT_EQ(alive, 0);
}

// --- Lingering --------------------------------------------------------------

TEST(Lingering, ForgottenNodeLingersAsLongAsItHasAName) {
  NodeTable table(2);
  table.set_root(std::make_unique<Node>(S_IFDIR, 1));
  NodeRef node = table.insert(std::make_unique<Node>(S_IFREG, 2));
  const NodeId id = node->id;
  table.add_edge(*table.root(), "name", *node);
  table.count_lookup(*node);
  node = {};

  table.forget(id, 1);
  EXPECT_TRUE(table.get(id));
  table.remove_edge(*table.root(), "name");

  EXPECT_FALSE(table.get(id));
}

TEST(Lingering, OldestGoesWhenThereAreTooMany) {
  NodeTable table(2);
  table.set_root(std::make_unique<Node>(S_IFDIR, 1));
  std::vector<NodeId> ids;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const NodeRef node = table.insert(std::make_unique<Node>(S_IFREG, i + 2));
    ids.push_back(node->id);
    table.add_edge(*table.root(), std::to_string(i), *node);
    table.count_lookup(*node);
    table.forget(node->id, 1);
  }

  EXPECT_FALSE(table.get(ids[0]));
  EXPECT_FALSE(table.get(ids[1]));
  EXPECT_TRUE(table.get(ids[2]));
  EXPECT_TRUE(table.get(ids[3]));
}

TEST(Lingering, NodeWantedAgainAndAgainIsCountedOnce) {
  NodeTable table(2);
  table.set_root(std::make_unique<Node>(S_IFDIR, 1));
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 3; ++i) {
      const std::string name = std::to_string(i);
      NodeRef node = table.find_child(*table.root(), name);
      if (!node) {
        node = table.insert(std::make_unique<Node>(S_IFREG, i + 2));
        table.add_edge(*table.root(), name, *node);
      }
      table.count_lookup(*node);
      table.count_lookup(*node);
      table.forget(node->id, 2);
    }
    EXPECT_LE(table.size(), 4U) << round;
    EXPECT_GE(table.size(), 2U) << round;
  }
}

TEST(Lingering, NobodyLingersWhereNoneMay) {
  NodeTable table(0);
  table.set_root(std::make_unique<Node>(S_IFDIR, 1));
  NodeRef node = table.insert(std::make_unique<Node>(S_IFREG, 2));
  table.add_edge(*table.root(), "name", *node);
  table.count_lookup(*node);
  table.forget(node->id, 1);
  node = {};

  EXPECT_EQ(table.size(), 1U);
}

// --- Objects ----------------------------------------------------------------

TEST_F(NodeTableTest, ObjectIsFoundByEachOfItsKeys) {
  const NodeRef node = file(2);
  table_.add_key(*node, {1, 10});
  table_.add_key(*node, {2, 20});
  table_.add_key(*node, {2, 20});

  EXPECT_EQ(table_.find_object({1, 10}).get(), node.get());
  EXPECT_EQ(table_.find_object({2, 20}).get(), node.get());
  EXPECT_FALSE(table_.find_object({1, 20}));
}

TEST_F(NodeTableTest, KeysGoWithTheirNode) {
  NodeRef node = file(2);
  table_.add_key(*node, {1, 10});
  node = {};

  EXPECT_FALSE(table_.find_object({1, 10}));
}

TEST_F(NodeTableTest, KeyThatWasTakenOverIsTheNewNodes) {
  NodeRef first = file(2);
  NodeRef second = file(3);
  table_.add_key(*first, {1, 10});
  table_.add_key(*second, {1, 10});
  EXPECT_EQ(table_.find_object({1, 10}).get(), second.get());

  first = {};
  EXPECT_EQ(table_.find_object({1, 10}).get(), second.get());
  second = {};

  EXPECT_FALSE(table_.find_object({1, 10}));
}

TEST_F(NodeTableTest, NodeThatLostItsKeyMayOutliveTheNewOne) {
  NodeRef first = file(2);
  NodeRef second = file(3);
  table_.add_key(*first, {1, 10});
  table_.add_key(*second, {1, 10});

  second = {};

  EXPECT_FALSE(table_.find_object({1, 10}));
  first = {};
}

// --- Hostile names ----------------------------------------------------------

TEST_F(NodeTableTest, NamesThatShareAHashAreFoundInTime) {
  const NodeRef root = table_.root();
  const auto add_and_find = [&](const std::vector<std::string>& names) {
    std::vector<NodeRef> nodes;
    for (const std::string& name : names) {
      nodes.push_back(file(2));
      table_.add_edge(*root, name, *nodes.back());
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      ASSERT_EQ(table_.find_child(*root, names[i]).get(), nodes[i].get());
    }
  };
  veneer::testing::expect_collisions_are_cheap(add_and_find);
}

// --- Threads ----------------------------------------------------------------

// Each thread looks nodes up, counts, forgets, links and unlinks; whatever the
// order, no id is answered for the wrong node and all are gone in the end.
TEST(NodeTableThreads, EveryCountIsGivenBack) {
  constexpr int kThreads = 4;
  constexpr int kNames = 12;
  std::atomic<int> drops = 0;
  NodeTable table(4);
  table.on_drop = [&](Node&) { ++drops; };
  table.set_root(std::make_unique<Node>(S_IFDIR, 1));
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const NodeRef root = table.root();
      std::uint64_t random = static_cast<std::uint64_t>(t) + 1;
      for (int i = 0; i < 3000; ++i) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        const std::string name = "n" + std::to_string((random >> 33) % kNames);
        NodeRef node = table.find_child(*root, name);
        if (!node) {
          node = table.insert(std::make_unique<Node>(S_IFDIR, 7));
          ++made;
          table.add_key(*node, {1, (random >> 40) % 8});
          table.add_edge(*root, name, *node);
        }
        const NodeId id = node->id;
        table.count_lookup(*node);
        if (i % 3 == 0) {
          NodeRef child = table.insert(std::make_unique<Node>(S_IFREG, 8));
          ++made;
          table.add_edge(*node, "child", *child);
        }
        node = {};
        if (const NodeRef same = table.find_object({1, (random >> 40) % 8})) {
          ASSERT_EQ(same->number, 7U);
        }
        if (i % 2 == 0) {
          const NodeRef gone = table.remove_edge(*root, name);
          if (gone) (void)table.place_of(*gone);
        }
        const NodeRef again = table.get(id);
        ASSERT_TRUE(again);
        ASSERT_EQ(again->id, id);
        table.forget(id, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  // All are gone but the root and those that linger.
  EXPECT_LE(table.size(), 5U);
  EXPECT_EQ(drops, made - static_cast<int>(table.size()) + 1);
}

}  // namespace
}  // namespace veneer::overlay
