// SPDX-License-Identifier: MIT
//
// O_DIRECT on files of every layer, together with cached descriptors.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr std::size_t kBlock = 4096;

// A block of memory aligned as direct I/O asks.
class Block {
 public:
  explicit Block(char fill)
      : memory_(static_cast<char*>(::aligned_alloc(kBlock, kBlock))) {
    std::memset(memory_.get(), fill, kBlock);
  }
  [[nodiscard]] char* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(char* memory) const { ::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
};

class ODirectTest : public OverlayTest {
 protected:
  void mount_blocks() {
    mount({.lower = {{{"f", File(std::string(4 * kBlock, 'a'))}}},
           .upper = {},
           .disk = DiskKind::kXfs});
  }
};

// Row 64
TEST_P(ODirectTest, LowerFileIsRead) {
  mount_blocks();
  const Fd fd = open("f", O_RDONLY | O_DIRECT);
  const Block block('.');

  EXPECT_THAT(::pread(fd.get(), block.data(), kBlock, kBlock),
              SyscallReturns(kBlock));

  EXPECT_EQ(std::string(block.data(), 4), "aaaa");
}

// Row 64
TEST_P(ODirectTest, WriteCopiesUpAndCachedReadersSeeIt) {
  mount_blocks();
  const Fd cached = open("f");
  EXPECT_EQ(pread_all(cached).size(), 4 * kBlock);
  const Fd direct = open("f", O_RDWR | O_DIRECT);
  const Block block('w');

  EXPECT_THAT(::pwrite(direct.get(), block.data(), kBlock, kBlock),
              SyscallReturns(kBlock));

  const std::string content = pread_all(cached);
  EXPECT_EQ(content.substr(kBlock - 1, 2), "aw");
  EXPECT_EQ(content.substr(2 * kBlock - 1, 2), "wa");
  EXPECT_THAT(::pread(direct.get(), block.data(), kBlock, 0),
              SyscallReturns(kBlock));
  EXPECT_EQ(block.data()[0], 'a');
}

// Row 64
TEST_P(ODirectTest, CachedWriteIsSeenByADirectReader) {
  mount_blocks();
  const Fd direct = open("f", O_RDONLY | O_DIRECT);
  const Block block('.');

  const Fd cached = open("f", O_WRONLY);
  ASSERT_THAT(::pwrite(cached.get(), "cached", 6, 0), SyscallReturns(6));

  EXPECT_THAT(::pread(direct.get(), block.data(), kBlock, 0),
              SyscallReturns(kBlock));
  EXPECT_EQ(std::string(block.data(), 7), "cacheda");
}

VENEER_ON_EVERY_TARGET(ODirectTest);

}  // namespace
}  // namespace veneer::testing
