// SPDX-License-Identifier: MIT

#include "test/crash/engine.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <sstream>
#include <stdexcept>
#include <vector>

#include "layer/host/open_layers.h"
#include "sys/file.h"

namespace veneer::testing {

using overlay::NodeId;

Engine::Engine(const std::string& base, bool dotwh) {
  std::vector<std::unique_ptr<Layer>> lowers;
  for (const char* name : {"/lower1", "/lower0"}) {
    auto lower = layer::open_host_lower(base + name, name[6] == '0');
    if (!lower) throw std::runtime_error(lower.error().message());
    lowers.push_back(*std::move(lower));
  }
  layer::UpperReport report;
  auto upper =
      layer::open_host_upper({.upper = base + "/upper",
                              .work = base + "/work",
                              .form = dotwh ? layer::WhiteoutForm::kDotWh
                                            : layer::WhiteoutForm::kKernel},
                             report);
  if (!upper) throw std::runtime_error(upper.error().message());
  auto fs = overlay::Filesystem::make(std::move(lowers), *std::move(upper),
                                      overlay::Options{});
  if (!fs) throw std::runtime_error(fs.error().message());
  fs_ = *std::move(fs);
}

Result<NodeId> Engine::find(const std::string& path) {
  NodeId at = overlay::kRootId;
  std::istringstream names(path);
  for (std::string name; std::getline(names, name, '/');) {
    TRY_ASSIGN(const auto entry, fs_->lookup(at, name));
    if (!entry) return Error(ENOENT, "find", path);
    at = entry->id;
  }
  return at;
}

View Engine::view() {
  View view;
  describe(overlay::kRootId, "", view);
  return view;
}

void Engine::describe(NodeId id, const std::string& path, View& view) {
  const auto attr = fs_->get_attr(id);
  if (!attr) {
    view[path] = "error: " + attr.error().message();
    return;
  }
  std::string text =
      fmt::format("{:o} {}:{}", attr->mode, attr->uid, attr->gid);
  if (!S_ISDIR(attr->mode)) text += fmt::format(" links={}", attr->nlink);
  if (S_ISLNK(attr->mode)) {
    text += " -> " + fs_->read_link(id).value_or("?");
  }
  if (S_ISREG(attr->mode)) {
    std::string content(attr->size, '\0');
    const auto got =
        fs_->read(id, 0, std::as_writable_bytes(std::span(content)));
    if (!got) {
      text += " unreadable: " + got.error().message();
    } else {
      content.resize(got->bytes.size());
      text += fmt::format(" size={} '{}'", attr->size, content.substr(0, 64));
    }
  }
  const std::string names = fs_->list_xattrs(kRoot, id).value_or("");
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto value = fs_->get_xattr(kRoot, id, name);
    text += fmt::format(" {}={}", name,
                        value && *value ? **value : std::string("?"));
  }
  view[path] = text;
  if (!S_ISDIR(attr->mode)) return;
  std::vector<std::string> entries;
  const auto listed =
      fs_->read_dir(id, 2, [&](const overlay::ListedEntry& entry) {
        entries.emplace_back(entry.name);
        return true;
      });
  if (!listed) view[path + "/"] = "unlistable: " + listed.error().message();
  for (const std::string& name : entries) {
    const std::string child_path = path.empty() ? name : path + "/" + name;
    const auto child = fs_->lookup(id, name);
    if (!child || !*child) {
      view[child_path] = "listed, not found";
      continue;
    }
    describe((*child)->id, child_path, view);
  }
}

}  // namespace veneer::testing
