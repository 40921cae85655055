// SPDX-License-Identifier: MIT
//
// The node table, through which every request goes: a node by its id, by its
// name, and its whole life.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "overlay/node_table.h"

namespace veneer::overlay {
namespace {

// A root with `count` files that the kernel knows of.
struct Filled {
  explicit Filled(std::int64_t count) {
    table.set_root(std::make_unique<Node>(mode_t{S_IFDIR}, 1));
    const NodeRef root = table.root();
    for (std::int64_t i = 0; i < count; ++i) {
      names.push_back(fmt::format("some-file-{:06}.txt", i));
      const NodeRef node =
          table.insert(std::make_unique<Node>(mode_t{S_IFREG}, 2));
      table.add_edge(*root, names.back(), *node);
      table.count_lookup(*node);
      ids.push_back(node->id);
    }
  }
  NodeTable table;
  std::vector<std::string> names;
  std::vector<NodeId> ids;
};

void node_get(benchmark::State& state) {
  Filled filled(state.range(0));
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.table.get(filled.ids[at]));
    if (++at == filled.ids.size()) at = 0;
  }
}

void node_find_child(benchmark::State& state) {
  Filled filled(state.range(0));
  const NodeRef root = filled.table.root();
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.table.find_child(*root, filled.names[at]));
    if (++at == filled.names.size()) at = 0;
  }
}

void node_insert_and_forget(benchmark::State& state) {
  Filled filled(state.range(0));
  const NodeRef root = filled.table.root();
  for (auto _ : state) {
    NodeRef node =
        filled.table.insert(std::make_unique<Node>(mode_t{S_IFREG}, 2));
    filled.table.add_edge(*root, "one-more", *node);
    filled.table.count_lookup(*node);
    const NodeId id = node->id;
    node = {};
    filled.table.forget(id, 1);
  }
}

BENCHMARK(node_get)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(node_find_child)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(node_insert_and_forget)->RangeMultiplier(100)->Range(10, 100'000);

}  // namespace
}  // namespace veneer::overlay
