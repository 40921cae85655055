// SPDX-License-Identifier: MIT
//
// mount.composefs: the options of composefs' own program of that name. mount(8)
// finds it by this name, so that `mount -t composefs` and lines of fstab work.

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "cli/help.h"
#include "cli/serve.h"
#include "cli/tools.h"
#include "session/image_mount.h"
#include "session/options.h"
#include "session/plan.h"

namespace veneer::cli {
namespace {

constexpr Voice kVoice = {"mount.composefs", kFailure};

constexpr char kUsageLine[] = "mount.composefs [-o OPTIONS] IMAGE MOUNTPOINT";
constexpr char kDescription[] =
    "Mounts a composefs image below the kernel's overlay. Options: "
    "basedir=DIR[:DIR...] (where the objects are, required), digest=HEX, "
    "verity, "
    "tryverity, ro, rw, upperdir=DIR and workdir=DIR.";

struct Arguments {
  std::string type;
  std::vector<std::string> words;
  std::string image;
  std::string mount_point;
  session::ImageMountOptions mount;
  bool read_only = false;
  bool writable = false;
};

Error unsupported(std::string_view what) {
  return session::sentence(EINVAL, fmt::format("Unsupported option {}", what));
}

Result<void> apply_flag(std::string_view word, Arguments& arguments) {
  if (word == "verity") {
    arguments.mount.verity = kernel::OverlayVerity::kRequire;
  } else if (word == "tryverity") {
    arguments.mount.verity = kernel::OverlayVerity::kTry;
  } else if (word == "ro") {
    arguments.read_only = true;
  } else if (word == "rw") {
    arguments.writable = true;
  } else {
    return unsupported(word);
  }
  return {};
}

Result<void> apply_word(const std::string& text, Arguments& arguments) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return apply_flag(text, arguments);
  const std::string word = text.substr(0, equals);
  const std::string value = text.substr(equals + 1);
  if (word == "basedir") {
    for (const auto& dir : session::split_unescaped(value, ':')) {
      arguments.mount.objects.push_back(
          session::to_absolute(session::unescape(dir)));
    }
  } else if (word == "digest") {
    arguments.mount.digest = session::unescape(value);
    arguments.mount.verity = kernel::OverlayVerity::kRequire;
  } else if (word == "upperdir") {
    arguments.mount.upper = session::to_absolute(session::unescape(value));
  } else if (word == "workdir") {
    arguments.mount.work = session::to_absolute(session::unescape(value));
  } else {
    return unsupported(word);
  }
  return {};
}

Result<void> check(const Arguments& arguments) {
  const session::ImageMountOptions& mount = arguments.mount;
  if (mount.objects.empty()) {
    return session::sentence(EINVAL, "No basedir was given (-o basedir=DIR)");
  }
  if (mount.upper.empty() != mount.work.empty()) {
    return session::sentence(
        EINVAL, "upperdir and workdir go together (give both, or neither)");
  }
  if (arguments.writable && mount.upper.empty()) {
    return session::sentence(
        EINVAL, "rw needs somewhere to write (-o upperdir=DIR,workdir=DIR)");
  }
  return {};
}

Result<void> prepare(Arguments& arguments) {
  for (const std::string& words : arguments.words) {
    for (const std::string& word : session::split_unescaped(words, ',')) {
      if (!word.empty()) TRY(apply_word(word, arguments));
    }
  }
  arguments.mount.image = session::to_absolute(arguments.image);
  arguments.mount.mount_point = session::to_absolute(arguments.mount_point);
  arguments.mount.read_only = arguments.read_only;
  return check(arguments);
}

Result<Wait> start(const session::ImageMountOptions& options) {
  auto started = session::ImageMount::start(options);
  if (!started && started.error().code() == EILSEQ) {
    return session::sentence(
        EILSEQ, fmt::format("Image has wrong fs-verity: {}", options.image));
  }
  if (!started) return started.error();
  const auto mount = std::shared_ptr(*std::move(started));
  return Wait([mount] { return mount->wait(); });
}

}  // namespace

int run_mount_composefs(int argc, const char* const* argv) {
  CLI::App app(kDescription, "mount.composefs");
  app.formatter(std::make_shared<HelpFormatter>(kUsageLine));
  app.set_help_flag("-h,--help", "Show this text.");
  auto arguments = std::make_shared<Arguments>();
  app.add_option("-t", arguments->type, "The type that mount(8) was given.");
  app.add_option("-o", arguments->words, "Options, separated by commas.")
      ->allow_extra_args(false);
  app.add_option("IMAGE", arguments->image)->required();
  app.add_option("MOUNTPOINT", arguments->mount_point)->required();
  const Action action = [arguments] {
    if (const auto done = prepare(*arguments); !done) {
      return complain_as(kVoice, done.error().message());
    }
    return serve(Server(), [&] { return start(arguments->mount); });
  };
  return parse_and_act(app, argc, argv, kVoice, action);
}

}  // namespace veneer::cli
