// SPDX-License-Identifier: MIT
//
// Tars put together block by block, so that they can be as strange as a test
// wants. Checksums are right unless a test breaks them.

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace veneer::layerfs {

class TarBytes {
 public:
  struct Member {
    std::string name;
    char type = '0';
    std::string data;
    std::string link;
    std::uint64_t mode = 0644;
    std::uint64_t mtime = 0;
    unsigned major = 0;
    unsigned minor = 0;
  };

  /// The header alone, of a member of `size` bytes.
  TarBytes& header(const Member& member, std::uint64_t size) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
      block.replace(at, text.size(), text);
    };
    put(0, std::string_view(member.name).substr(0, 100));
    put(100, fmt::format("{:07o}", member.mode));
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", size));
    put(136, fmt::format("{:011o}", member.mtime));
    block[156] = member.type;
    put(157, std::string_view(member.link).substr(0, 100));
    put(257, std::string_view("ustar\00000", 8));
    put(329, fmt::format("{:07o}", member.major));
    put(337, fmt::format("{:07o}", member.minor));
    bytes_ += with_checksum(std::move(block));
    return *this;
  }

  TarBytes& add(const Member& member) {
    header(member, member.data.size());
    return data(member.data);
  }
  TarBytes& file(const std::string& name, const std::string& data) {
    return add({.name = name, .data = data});
  }
  TarBytes& dir(const std::string& name, std::uint64_t mode = 0755) {
    return add({.name = name, .type = '5', .mode = mode});
  }
  TarBytes& symlink(const std::string& name, const std::string& target) {
    return add({.name = name, .type = '2', .link = target, .mode = 0777});
  }
  TarBytes& hard_link(const std::string& name, const std::string& target) {
    return add({.name = name, .type = '1', .link = target});
  }

  /// A pax header for the member that follows; `type` 'g' for all.
  TarBytes& pax(std::initializer_list<std::pair<std::string, std::string>> keys,
                char type = 'x') {
    std::string records;
    for (const auto& [key, value] : keys) records += pax_record(key, value);
    return add({.name = "pax", .type = type, .data = records});
  }
  /// GNU's way with long names ('L') and long link targets ('K').
  TarBytes& gnu_long(char type, const std::string& text) {
    return add({.name = "././@LongLink",
                .type = type,
                .data = text + std::string(1, '\0')});
  }

  /// Whole blocks of it.
  TarBytes& data(std::string_view data) {
    bytes_ += data;
    bytes_.resize((bytes_.size() + 511) / 512 * 512, '\0');
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::string open() const { return bytes_; }
  /// With the mark of the end.
  [[nodiscard]] std::string end() const {
    return bytes_ + std::string(1024, '\0');
  }

  static std::string pax_record(const std::string& key,
                                const std::string& value) {
    const std::string rest = " " + key + "=" + value + "\n";
    std::size_t size = rest.size();
    while (std::to_string(size).size() + rest.size() != size) {
      size = std::to_string(size).size() + rest.size();
    }
    return std::to_string(size) + rest;
  }
  static std::string with_checksum(std::string block) {
    block.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    block.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
    return block;
  }

 private:
  std::string bytes_;
};

}  // namespace veneer::layerfs
