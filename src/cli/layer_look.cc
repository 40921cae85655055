// SPDX-License-Identifier: MIT
//
// veneer layer ls, cat and stat: looking into a layer without mounting it.
//
// Symbolic links are shown, not followed: where they lead to depends on what
// the layer is mounted with.

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/layer.h"
#include "finalize/json_path.h"
#include "layerfs/entry_path.h"
#include "layerfs/layerfs_layer.h"
#include "session/config.h"
#include "sys/file.h"

namespace veneer::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kPiece = 256 * 1024;

constexpr char kLsDescription[] =
    "Lists a directory of a layer, in the order of the names.";
constexpr char kLsExamples[] = R"(list a directory of a layer

Examples:
  veneer layer ls base
  veneer layer ls -l base usr/bin
  veneer layer ls -la app            with what it deletes: type w
  veneer layer ls --json base etc | jq -r '.entries[].name'

-l has type and mode, names of the file, size, time (UTC) and name.)";

constexpr char kCatDescription[] =
    "Writes a file of a layer to standard output.";
constexpr char kCatExamples[] = R"(write a file of a layer to standard output

Examples:
  veneer layer cat --blobs store base etc/os-release)";

constexpr char kStatDescription[] =
    "Shows what a layer keeps about a name: type, mode, size, time, and where "
    "the bytes are.";
constexpr char kStatExamples[] = R"(show all about a name in a layer

Examples:
  veneer layer stat base usr/bin/env
  veneer layer stat --json base usr/bin/env | jq -r .data.sha256)";

struct Arguments {
  std::string layer;
  std::string path;
  std::string blobs;
  bool is_long = false;
  bool all = false;
  bool as_json = false;
};

struct Opened {
  layerfs::LayerFs fs;
  std::unique_ptr<Layer> layer;
};

Result<Opened> open_view(const Arguments& arguments) {
  TRY_ASSIGN(auto fs, open_layer(arguments.layer, arguments.blobs));
  TRY_ASSIGN(auto layer, fs.as_layer());
  return Opened{std::move(fs), std::move(layer)};
}

Error explain(const Arguments& arguments, std::string_view path,
              std::string_view why) {
  return session::sentence(ENOENT,
                           fmt::format("{}: {} {}", show_path(arguments.layer),
                                       show_path(path), why));
}

// What stands at a path; whiteouts are nothing.
Result<Child> find(const Arguments& arguments, Layer& layer) {
  const auto clean = layerfs::clean_path(arguments.path);
  if (!clean) {
    return session::sentence(EINVAL,
                             fmt::format("{}: {}", show_path(arguments.path),
                                         clean.error().subject()));
  }
  Child child = layer.root();
  std::string_view rest = *clean;
  std::string above;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == rest.npos ? rest.size() : slash + 1);
    if (!S_ISDIR(child.attr.mode)) {
      return explain(arguments, above,
                     S_ISLNK(child.attr.mode)
                         ? "is a symbolic link (name what it leads to)"
                         : "is no directory");
    }
    TRY_ASSIGN(auto next, layer.lookup(*child.node, name));
    above += fmt::format("{}{}", above.empty() ? "" : "/", name);
    if (!next || next->marks.whiteout) {
      return explain(arguments, above, "is not in it (see veneer layer ls)");
    }
    child = *std::move(next);
  }
  return child;
}

char type_letter(const Child& child) {
  if (child.marks.whiteout) return 'w';
  if (S_ISDIR(child.attr.mode)) return 'd';
  return S_ISLNK(child.attr.mode) ? 'l' : '-';
}

const char* type_name(const Child& child) {
  if (child.marks.whiteout) return "whiteout";
  if (S_ISDIR(child.attr.mode)) return "directory";
  return S_ISLNK(child.attr.mode) ? "symlink" : "file";
}

std::string show_mode(const Child& child) {
  std::string text(1, type_letter(child));
  for (int shift = 6; shift >= 0; shift -= 3) {
    const unsigned bits = child.attr.mode >> shift & 7;
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    text += (bits & 1) != 0 ? 'x' : '-';
  }
  constexpr struct {
    unsigned bit;
    std::size_t at;
    char with_x;
    char without;
  } kSpecial[] = {
      {S_ISUID, 3, 's', 'S'}, {S_ISGID, 6, 's', 'S'}, {S_ISVTX, 9, 't', 'T'}};
  for (const auto& special : kSpecial) {
    if ((child.attr.mode & special.bit) == 0) continue;
    text[special.at] =
        text[special.at] == 'x' ? special.with_x : special.without;
  }
  return text;
}

// As ls(1) in UTC; a time that no calendar has as the number it is.
std::string show_time(std::int64_t seconds) {
  constexpr std::int64_t kYear9999 = 253402300799;
  if (seconds < -62135596800 || seconds > kYear9999) {
    return fmt::format("@{}", seconds);
  }
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(seconds));
}

struct Row {
  std::string name;
  Child child;
  std::string target;
};

Result<std::vector<Row>> read_rows(const Arguments& arguments, Layer& layer,
                                   const Child& dir) {
  std::vector<std::pair<std::string, bool>> names;
  TRY(layer.read_dir(*dir.node, [&](const DirEntry& entry) {
    if (entry.whiteout && !arguments.all) return;
    names.emplace_back(entry.name, entry.whiteout);
  }));
  std::ranges::sort(names);
  std::vector<Row> rows;
  for (auto& [name, whiteout] : names) {
    Row row{.name = name, .child = {}, .target = {}};
    row.child.marks.whiteout = whiteout;
    if (!whiteout) {
      TRY_ASSIGN(auto child, layer.lookup(*dir.node, name));
      if (!child) continue;
      row.child = *std::move(child);
      if (S_ISLNK(row.child.attr.mode)) {
        TRY_ASSIGN(row.target, layer.read_link(*row.child.node));
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string show_row(const Row& row, bool is_long) {
  const bool is_dir = S_ISDIR(row.child.attr.mode);
  std::string name = show_path(row.name, is_dir);
  if (!is_long) return name + "\n";
  if (!row.target.empty()) name += " -> " + show_path(row.target);
  return fmt::format("{} {:>3} {:>10} {} {}\n", show_mode(row.child),
                     row.child.attr.nlink, row.child.attr.size,
                     show_time(row.child.attr.mtime.tv_sec), name);
}

json child_to_json(const Child& child, const std::string& target) {
  json value = {{"type", type_name(child)}};
  if (child.marks.whiteout) return value;
  value["mode"] = fmt::format("{:04o}", child.attr.mode & 07777);
  value["size"] = child.attr.size;
  value["mtime"] = child.attr.mtime.tv_sec;
  value["nlink"] = child.attr.nlink;
  value["ino"] = child.attr.ino;
  if (child.marks.opaque) value["opaque"] = true;
  if (!target.empty()) value["target"] = finalize::path_to_json(target);
  return value;
}

Result<void> list(const Arguments& arguments) {
  TRY_ASSIGN(const Opened opened, open_view(arguments));
  TRY_ASSIGN(const Child found, find(arguments, *opened.layer));
  std::vector<Row> rows;
  if (S_ISDIR(found.attr.mode)) {
    TRY_ASSIGN(rows, read_rows(arguments, *opened.layer, found));
  } else {
    rows.push_back({.name = arguments.path, .child = found, .target = {}});
    if (S_ISLNK(found.attr.mode)) {
      TRY_ASSIGN(rows.back().target, opened.layer->read_link(*found.node));
    }
  }
  if (arguments.as_json) {
    json entries = json::array();
    for (const Row& row : rows) {
      json value = child_to_json(row.child, row.target);
      value["name"] = finalize::path_to_json(row.name);
      entries.push_back(std::move(value));
    }
    return print_all(to_text({{"entries", std::move(entries)}}));
  }
  std::string text;
  for (const Row& row : rows) text += show_row(row, arguments.is_long);
  return print_all(text);
}

Result<void> write_file(const Arguments& arguments) {
  TRY_ASSIGN(const Opened opened, open_view(arguments));
  TRY_ASSIGN(const Child found, find(arguments, *opened.layer));
  if (!S_ISREG(found.attr.mode)) {
    return explain(arguments, arguments.path,
                   S_ISDIR(found.attr.mode)
                       ? "is a directory (see veneer layer ls)"
                       : "is a symbolic link (name what it leads to)");
  }
  TRY_ASSIGN(const FileData data, opened.layer->open_data(*found.node));
  if (data.fd < 0) return print_all(as_text(data.bytes));
  const std::uint64_t length = data.length.value_or(found.attr.size);
  std::vector<std::byte> buffer(kPiece);
  for (std::uint64_t at = 0; at < length;) {
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(length - at, buffer.size()));
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(data.fd, buffer.data(), size, data.offset + at));
    if (got != size) {
      return explain(arguments, arguments.path, "has a blob that is too short");
    }
    TRY(print_all(as_text(std::span(buffer).first(got))));
    at += got;
  }
  return {};
}

// Where the bytes of a file are.
Result<json> data_to_json(const Opened& opened, const LayerNode& node) {
  const layerfs::FileId id = layerfs::LayerfsLayer::id_of(node);
  TRY_ASSIGN(const auto inode, opened.fs.reader()->inode(id));
  if (const auto* range = std::get_if<layerfs::BlobRange>(&inode.content)) {
    return json{{"in", "blob"},
                {"sha256", to_hex(range->sha256)},
                {"offset", range->offset},
                {"length", range->length}};
  }
  const bool is_empty = std::holds_alternative<layerfs::Empty>(inode.content);
  return json{{"in", is_empty ? "nothing" : "layer"}};
}

Result<void> show(const Arguments& arguments) {
  TRY_ASSIGN(const Opened opened, open_view(arguments));
  TRY_ASSIGN(const Child found, find(arguments, *opened.layer));
  std::string target;
  if (S_ISLNK(found.attr.mode)) {
    TRY_ASSIGN(target, opened.layer->read_link(*found.node));
  }
  json value = child_to_json(found, target);
  value["path"] = finalize::path_to_json(arguments.path);
  value["layer"] = found.attr.ino >> 32;
  if (S_ISREG(found.attr.mode)) {
    TRY_ASSIGN(value["data"], data_to_json(opened, *found.node));
  }
  if (arguments.as_json) return print_all(to_text(value));
  std::string text = fmt::format(
      "{}\n  type   {}\n  mode   {:04o} ({})\n  size   {}\n"
      "  time   {} UTC\n  names  {}\n  inode  {} of layer {}\n",
      show_path(arguments.path), type_name(found), found.attr.mode & 07777,
      show_mode(found), found.attr.size, show_time(found.attr.mtime.tv_sec),
      found.attr.nlink, found.attr.ino & 0xFFFFFFFF, found.attr.ino >> 32);
  if (found.marks.opaque) text += "  opaque\n";
  if (!target.empty()) text += "  target " + show_path(target) + "\n";
  if (value.contains("data")) {
    const json& data = value["data"];
    text += data["in"] == "blob"
                ? fmt::format("  data   sha256:{} from {}\n",
                              data["sha256"].get<std::string>(),
                              data["offset"].get<std::uint64_t>())
                : fmt::format("  data   in {}\n",
                              data["in"] == "layer" ? "the layer" : "nothing");
  }
  return print_all(text);
}

CLI::App* add_command(CLI::App& layer, const char* name,
                      const char* description, const char* usage,
                      const char* examples) {
  CLI::App* const command = layer.add_subcommand(name, description);
  command->formatter(std::make_shared<HelpFormatter>(usage));
  command->footer(examples);
  command->group(kLooking);
  return command;
}

void add_path(CLI::App& command, Arguments& arguments, bool is_required) {
  command
      .add_option("PATH", arguments.path,
                  is_required ? "From the root of the layer."
                              : "From the root of the layer. Default: the "
                                "root.")
      ->required(is_required)
      ->type_name("");
}

template <typename Work>
void run_with(CLI::App& command, std::shared_ptr<Arguments> arguments,
              Action& action, Work work) {
  command.callback([arguments = std::move(arguments), &action, work] {
    action = [arguments, work] {
      const auto done = work(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace

void add_layer_ls(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = add_command(
      layer, "ls", kLsDescription,
      "veneer layer ls [-l] [-a] [--json] LAYER [PATH]", kLsExamples);
  command->add_flag("-l,--long", arguments->is_long, "All about each name.");
  command->add_flag("-a,--all", arguments->all, "Names that it deletes, too.");
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_layer_name(*command, arguments->layer);
  add_path(*command, *arguments, false);
  run_with(*command, arguments, action, list);
}

void add_layer_cat(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      add_command(layer, "cat", kCatDescription,
                  "veneer layer cat [--blobs STORE] LAYER PATH", kCatExamples);
  add_blobs(*command, arguments->blobs,
            "The store. Small files may be in the layer itself.");
  add_layer_name(*command, arguments->layer);
  add_path(*command, *arguments, true);
  run_with(*command, arguments, action, write_file);
}

void add_layer_stat(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      add_command(layer, "stat", kStatDescription,
                  "veneer layer stat [--json] LAYER [PATH]", kStatExamples);
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_layer_name(*command, arguments->layer);
  add_path(*command, *arguments, false);
  run_with(*command, arguments, action, show);
}

}  // namespace veneer::cli
