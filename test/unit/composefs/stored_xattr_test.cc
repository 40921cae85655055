// SPDX-License-Identifier: MIT
//
// Entries of xattrs, and the filter of names.

#include "composefs/stored_xattr.h"

#include <functional>
#include <memory>

#include "test/support/result.h"
#include "test/unit/composefs/hand_made.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

std::uint32_t filter_of(const HandXattrs& xattrs) {
  XattrHeader header;
  const std::string area = xattr_area(xattrs);
  std::memcpy(&header, area.data(), sizeof(header));
  return header.name_filter;
}

TEST(StoredXattr, FilterHidesNothingThatIsThere) {
  const char* names[] = {"user.foo",
                         "user.",
                         "trusted.overlay.metacopy",
                         "trusted.overlay.redirect",
                         "security.selinux",
                         "system.posix_acl_access",
                         "system.posix_acl_accessX",
                         "system.posix_acl_default",
                         "lustre.lov",
                         "other.name"};
  for (const char* name : names) {
    EXPECT_TRUE(filter_allows(filter_of({{name, ""}}), name)) << name;
    EXPECT_FALSE(filter_allows(0xffffffff, name)) << name;
    EXPECT_TRUE(filter_allows(0, name)) << name;
  }
}

// The C writer stores them whole, others by their prefix.
TEST(StoredXattr, NamesOfLustreAreFoundInEitherForm) {
  const std::uint32_t whole =
      ~(1U << (hash32("lustre.lov", kNameFilterSeed) & 31));
  const std::uint32_t split =
      ~(1U << (hash32("lov", kNameFilterSeed + 5) & 31));
  EXPECT_TRUE(filter_allows(whole, "lustre.lov"));
  EXPECT_TRUE(filter_allows(split, "lustre.lov"));
}

TEST(StoredXattr, MostAbsentNamesAreToldWithoutLooking) {
  const std::uint32_t filter = filter_of(
      {{"trusted.overlay.metacopy", ""}, {"trusted.overlay.redirect", "/a"}});
  int denied = 0;
  for (int i = 0; i < 320; ++i) {
    if (!filter_allows(filter, "user.name" + std::to_string(i))) ++denied;
  }
  EXPECT_GT(denied, 280);
  EXPECT_LT(denied, 320);
}

class XattrImage : public ::testing::Test {
 protected:
  void open(const HandXattrs& xattrs) {
    HandMade made;
    nid_ = made.add_file("", xattrs);
    made.put_root({{"f", nid_}});
    change(made);
    auto image = open_bytes(made.finish());
    ASSERT_TRUE(image) << image.error().message();
    image_ = std::make_unique<Image>(*std::move(image));
  }
  Result<std::optional<std::string>> get(std::string_view name) {
    TRY_ASSIGN(const Inode inode, image_->inode(nid_));
    return image_->xattr(inode, name);
  }
  Result<std::vector<std::string>> list() {
    TRY_ASSIGN(const Inode inode, image_->inode(nid_));
    std::vector<std::string> names;
    TRY(image_->for_each_xattr(inode, [&](const StoredXattr& xattr) {
      names.push_back(xattr.name());
      return true;
    }));
    return names;
  }

  std::function<void(HandMade&)> change = [](HandMade&) {};
  std::unique_ptr<Image> image_;
  Nid nid_ = 0;
};

TEST_F(XattrImage, EveryPrefixAndEveryValueIsFound) {
  const HandXattrs xattrs = {{"user.foo", "1"},
                             {"system.posix_acl_access", ""},
                             {"system.posix_acl_default", "acl"},
                             {"trusted.x", std::string("a\0b", 3)},
                             {"lustre.lov", "l"},
                             {"security.selinux", std::string(3000, 's')},
                             {"odd", "whole"}};
  ASSERT_NO_FATAL_FAILURE(open(xattrs));

  for (const auto& [name, value] : xattrs) {
    const auto found = get(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(*found, value) << name;
  }
  EXPECT_EQ(list()->size(), xattrs.size());
}

// The last one of an inode may be four bytes long.
TEST_F(XattrImage, EmptyNameAndValueAtTheEndIsSeen) {
  ASSERT_NO_FATAL_FAILURE(
      open({{"user.a", "1"}, {"system.posix_acl_access", ""}}));

  EXPECT_EQ(*get("system.posix_acl_access"), "");
}

TEST_F(XattrImage, ThatLiesAboutItsLengthIsAnError) {
  change = [this](HandMade& made) {
    const std::size_t entry = nid_ * kInodeSlot + 64 + 12;
    made.bytes()[entry] = '\xff';
  };
  ASSERT_NO_FATAL_FAILURE(open({{"user.a", "1"}}));

  EXPECT_EQ(code_of(list()), EUCLEAN);
  EXPECT_EQ(code_of(get("user.a")), EUCLEAN);
}

TEST_F(XattrImage, MoreSharedOnesThanThereIsRoomForAreAnError) {
  change = [this](HandMade& made) {
    made.bytes()[nid_ * kInodeSlot + 64 + 4] = '\xff';
  };
  ASSERT_NO_FATAL_FAILURE(open({{"user.a", "1"}}));

  EXPECT_EQ(code_of(list()), EUCLEAN);
}

TEST_F(XattrImage, SharedOnesAreReadFromTheirTable) {
  change = [this](HandMade& made) {
    const Nid table = made.add_block();
    made.super.xattr_block = HandMade::block_of(table);
    made.put(table * kInodeSlot + 8, xattr_entry("trusted.shared", "value"));
    // One shared id, and nothing of its own.
    XattrHeader header;
    header.shared_count = 1;
    std::uint32_t id = 2;
    ExtendedInode inode = HandMade::inode(S_IFREG, 0, DataLayout::kFlatPlain);
    inode.xattr_count = 2;
    made.put(nid_ * kInodeSlot, raw(inode) + raw(header) + raw(id));
  };
  ASSERT_NO_FATAL_FAILURE(open({}));

  EXPECT_EQ(*get("trusted.shared"), "value");
  EXPECT_EQ(*list(), std::vector<std::string>{"trusted.shared"});
}

TEST_F(XattrImage, SharedIdOutsideTheImageIsAnError) {
  for (const std::uint32_t wrong : {1'000'000U, 0xffffffffU}) {
    change = [this, wrong](HandMade& made) {
      XattrHeader header;
      header.shared_count = 1;
      ExtendedInode inode = HandMade::inode(S_IFREG, 0, DataLayout::kFlatPlain);
      inode.xattr_count = 2;
      made.put(nid_ * kInodeSlot, raw(inode) + raw(header) + raw(wrong));
    };
    ASSERT_NO_FATAL_FAILURE(open({}));

    EXPECT_EQ(code_of(list()), EUCLEAN);
  }
}

TEST_F(XattrImage, PrefixThatIsNotKnownIsLeftOut) {
  change = [this](HandMade& made) {
    made.bytes()[nid_ * kInodeSlot + 64 + 12 + 1] = '\x87';
  };
  ASSERT_NO_FATAL_FAILURE(open({{"user.a", "1"}, {"user.b", "2"}}));

  EXPECT_EQ(*list(), std::vector<std::string>{"user.b"});
}

}  // namespace
}  // namespace veneer::composefs
