// SPDX-License-Identifier: MIT
//
// The blob store: bytes come in once, under the name of their digest, and not
// before they are all there.

#include <gmock/gmock.h>

#include <random>

#include "sys/fault.h"
#include "sys/open.h"
#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;

constexpr const char* kHelloName =
    "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

class BlobStoreTest : public LayerScene {
 protected:
  BlobStore open_store() {
    auto store = BlobStore::open(blobs());
    EXPECT_TRUE(store) << store.error().message();
    return *std::move(store);
  }
  Words files() const {
    Words names;
    for (const auto& entry : std::filesystem::directory_iterator(blobs())) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  static std::string random_bytes(std::size_t size) {
    std::mt19937 random(1);
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    return bytes;
  }
};

TEST_F(BlobStoreTest, BytesGetTheNameOfTheirDigest) {
  auto store = open_store();
  const auto blob = store.add_bytes(veneer::as_bytes("hello world"));

  ASSERT_TRUE(blob);
  EXPECT_EQ(veneer::to_hex(blob->sha256), kHelloName);
  EXPECT_EQ(blob->size, 11U);
  EXPECT_THAT(files(), ElementsAre(".incoming-0"));
  EXPECT_EQ(*store.find(blob->sha256), 11U);
  EXPECT_TRUE(store.publish());
  EXPECT_EQ(read_file(std::string("blobs/") + kHelloName), "hello world");
  EXPECT_EQ(*store.find(blob->sha256), 11U);
  EXPECT_EQ(*store.find({}), std::nullopt);
}

TEST_F(BlobStoreTest, WhatIsNotPublishedIsNotKept) {
  {
    auto store = open_store();
    EXPECT_TRUE(store.add_bytes(veneer::as_bytes("hello world")));
    auto writer = store.begin();
    EXPECT_TRUE(writer->write(veneer::as_bytes("half")));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(BlobStoreTest, FilesOfAnySizeComeIn) {
  auto store = open_store();
  for (const std::size_t size : {0U, 1U, 4096U, 1U << 20, (1U << 20) + 1}) {
    const std::string bytes = random_bytes(size);
    write_file("file", bytes);
    for (const auto how : {BlobStore::How::kCopy, BlobStore::How::kLink}) {
      const auto blob = store.add_file(path("file"), how);
      ASSERT_TRUE(blob) << blob.error().message();
      EXPECT_EQ(blob->size, size);
      EXPECT_EQ(blob->sha256, veneer::sha256(veneer::as_bytes(bytes)));
    }
    EXPECT_TRUE(store.publish());
    EXPECT_EQ(read_file("blobs/" + veneer::to_hex(veneer::sha256(
                                       veneer::as_bytes(bytes)))),
              bytes);
  }
}

TEST_F(BlobStoreTest, PiecesMakeABlob) {
  auto store = open_store();
  const std::string bytes = random_bytes(700000);
  auto writer = store.begin();
  ASSERT_TRUE(writer);
  for (std::size_t at = 0; at < bytes.size(); at += 9999) {
    EXPECT_TRUE(writer->write(veneer::as_bytes(bytes.substr(at, 9999))));
  }
  const auto blob = std::move(*writer).finish();
  ASSERT_TRUE(blob);
  EXPECT_TRUE(store.publish());

  EXPECT_EQ(read_file("blobs/" + veneer::to_hex(blob->sha256)), bytes);
  // The same once more is nothing new.
  auto again = store.begin();
  EXPECT_TRUE(again->write(veneer::as_bytes(bytes)));
  EXPECT_EQ(std::move(*again).finish()->sha256, blob->sha256);
  EXPECT_TRUE(store.publish());
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(BlobStoreTest, ALinkedFileIsOneInode) {
  write_file("file", "hello world");
  auto store = open_store();
  ASSERT_TRUE(store.add_file(path("file"), BlobStore::How::kLink));
  ASSERT_TRUE(store.publish());

  EXPECT_TRUE(
      std::filesystem::equivalent(path("file"), blobs() + "/" + kHelloName));
  // Nor is it written through the link when it comes again.
  std::filesystem::remove(blobs() + "/" + kHelloName);
  ASSERT_TRUE(store.add_bytes(veneer::as_bytes("hello world")));
  ASSERT_TRUE(store.publish());
  EXPECT_FALSE(
      std::filesystem::equivalent(path("file"), blobs() + "/" + kHelloName));
}

TEST_F(BlobStoreTest, ADamagedBlobIsReplaced) {
  write_file(std::string("blobs/") + kHelloName, "hello");
  auto store = open_store();
  ASSERT_TRUE(store.add_bytes(veneer::as_bytes("hello world")));
  ASSERT_TRUE(store.publish());

  EXPECT_EQ(read_file(std::string("blobs/") + kHelloName), "hello world");
}

TEST_F(BlobStoreTest, OtherThingsAreRefused) {
  auto store = open_store();

  EXPECT_EQ(code_of(store.add_file(path("nothing"))), ENOENT);
  EXPECT_EQ(code_of(store.add_file(scratch_.path())), EINVAL);
  EXPECT_EQ(code_of(store.add_file("/dev/null")), EINVAL);
  EXPECT_EQ(code_of(BlobStore::open(path("absent"))), ENOENT);
  EXPECT_TRUE(BlobStore::open(path("absent"), true));
  EXPECT_TRUE(std::filesystem::is_directory(path("absent")));
}

TEST_F(BlobStoreTest, WhatACrashHasLeftIsSweptAndWhatIsInUseIsNot) {
  std::filesystem::create_directories(blobs() + "/.incoming-7/x");
  auto first = open_store();
  ASSERT_TRUE(first.add_bytes(veneer::as_bytes("hello world")));
  EXPECT_THAT(files(), ElementsAre(".incoming-0"));

  auto second = open_store();
  ASSERT_TRUE(second.add_bytes(veneer::as_bytes("other")));
  EXPECT_THAT(files(), ElementsAre(".incoming-0", ".incoming-1"));
  EXPECT_TRUE(first.publish());
  EXPECT_TRUE(second.publish());
}

TEST_F(BlobStoreTest, NamesAppearWithAllTheirBytesOnAFullDisk) {
  for (std::uint64_t n = 1; n < 100; ++n) {
    sys::fault::arm_error(n, ENOSPC, sys::fault::kForever);
    bool done = false;
    {
      auto store = BlobStore::open(blobs());
      done = store && store->add_bytes(veneer::as_bytes("hello world")) &&
             store->add_bytes(veneer::as_bytes("more")) && store->publish();
    }
    sys::fault::disarm();
    for (const std::string& name : files()) {
      if (name.starts_with(".incoming")) continue;
      EXPECT_EQ(veneer::to_hex(veneer::sha256(
                    veneer::as_bytes(read_file("blobs/" + name)))),
                name);
    }
    if (done) return;
  }
  FAIL() << "never without an error";
}

}  // namespace
}  // namespace veneer::layerfs
