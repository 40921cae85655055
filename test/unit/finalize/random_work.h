// SPDX-License-Identifier: MIT
//
// Shell scripts that do anything at all to a small tree: names are few, so that
// they meet again. What cannot be done is let be.

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>

namespace veneer::finalize {

/// A tree of texts for random_work() to work on.
inline constexpr char kRandomBase[] = R"(
for d in a b c a/a a/b b/a b/c a/a/c; do
  mkdir -p $d
  for f in x y z; do seq ${#d} 20 > $d/$f; echo $d/$f >> $d/$f; done
  ln -s ../x $d/s
done
touch -d '2020-01-01 00:00:00.25' a/a b/x
)";

inline std::string random_work(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto number = [&](unsigned below) {
    return static_cast<unsigned>(random() % below);
  };
  const auto path = [&] {
    constexpr std::string_view kDirs = "abcd";
    constexpr std::string_view kFiles = "xyzs";
    std::string made;
    for (unsigned depth = 1 + number(3); depth > 0; --depth) {
      const bool last = depth == 1;
      const auto names = last && number(2) == 0 ? kFiles : kDirs;
      made += names[number(4)];
      if (!last) made += '/';
    }
    return made;
  };
  std::string script;
  for (unsigned n = 5 + number(20); n > 0; --n) {
    const std::string one = path();
    const std::string other = path();
    switch (number(12)) {
      case 0:
        script += fmt::format("mkdir {}", one);
        break;
      case 1:
        script += fmt::format("echo {} > {}", n, one);
        break;
      case 2:
        script += fmt::format("[ -f {0} ] && sed -i '{1}d; {2}s/$/!/' {0}", one,
                              1 + number(9), 10 + number(9));
        break;
      case 3:
        script += fmt::format("rm -r {}", one);
        break;
      case 4:
      case 5:
      case 6:
        script += fmt::format("mv -T {} {}", one, other);
        break;
      case 7:
        script += fmt::format("ln {} {}", one, other);
        break;
      case 8:
        script += fmt::format("ln -sfT {} {}", one, other);
        break;
      case 9:
        script +=
            fmt::format("chmod {} {}", number(2) == 0 ? "755" : "600", one);
        break;
      case 10:
        script += fmt::format("touch -d '@{}.5' {}", number(1000), one);
        break;
      default:
        script += fmt::format("echo {} >> {}", n, one);
        break;
    }
    script += " 2> /dev/null || :\n";
  }
  return script;
}

}  // namespace veneer::finalize
