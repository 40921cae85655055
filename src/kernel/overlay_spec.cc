// SPDX-License-Identifier: MIT

#include "kernel/overlay_spec.h"

#include "sys/call.h"

namespace veneer::kernel {
namespace {

std::string proc_path(int fd) { return sys::ProcFdPath(fd).c_str(); }

// "A:B::C::D": each data layer stands behind two colons.
std::string layer_list(const OverlaySpec& spec) {
  std::string list;
  for (const int fd : spec.lowers) {
    list.append(list.empty() ? "" : ":").append(escape_layer(proc_path(fd)));
  }
  for (const int fd : spec.data) {
    list.append("::").append(escape_layer(proc_path(fd)));
  }
  return list;
}

OverlayParameter layer(const char* key, int fd, LayerForm form) {
  if (form == LayerForm::kDescriptors) return {.key = key, .fd = fd};
  return {.key = key, .value = proc_path(fd)};
}

// In options for mount(2) a comma ends the value.
std::string escape_commas(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string_view name_of(LayerForm form) {
  switch (form) {
    case LayerForm::kDescriptors:
      return "descriptors";
    case LayerForm::kPaths:
      return "paths";
    case LayerForm::kOneString:
      return "one string";
  }
  return "";
}

OverlaySpec composefs_overlay(int metadata, std::vector<int> objects,
                              bool userxattr) {
  OverlaySpec spec;
  spec.source = "composefs";
  spec.lowers = {metadata};
  spec.data = std::move(objects);
  spec.userxattr = userxattr;
  // Needed for data layers before Linux 6.16, and refused beside `userxattr`.
  if (!userxattr) {
    spec.options = {{"metacopy", "on"}, {"redirect_dir", "on"}};
  }
  return spec;
}

std::string escape_layer(std::string_view path) {
  std::string escaped;
  for (const char c : path) {
    if (c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<OverlayParameter> overlay_parameters(const OverlaySpec& spec,
                                                 LayerForm form) {
  std::vector<OverlayParameter> parameters;
  parameters.push_back({.key = "source", .value = spec.source});
  if (spec.userxattr) parameters.push_back({.key = "userxattr"});
  for (const auto& [key, value] : spec.options) {
    parameters.push_back({.key = key, .value = value});
  }
  if (spec.verity == OverlayVerity::kTry) {
    parameters.push_back({.key = "verity", .value = "on", .is_optional = true});
  } else if (spec.verity == OverlayVerity::kRequire) {
    parameters.push_back({.key = "verity", .value = "require"});
  }
  if (spec.upper >= 0) {
    parameters.push_back(layer("upperdir", spec.upper, form));
    parameters.push_back(layer("workdir", spec.work, form));
  }
  if (form == LayerForm::kOneString) {
    parameters.push_back({.key = "lowerdir", .value = layer_list(spec)});
    return parameters;
  }
  for (const int fd : spec.lowers) {
    parameters.push_back(layer("lowerdir+", fd, form));
  }
  for (const int fd : spec.data) {
    parameters.push_back(layer("datadir+", fd, form));
  }
  return parameters;
}

std::string legacy_options(const OverlaySpec& spec) {
  std::string text;
  for (const OverlayParameter& parameter :
       overlay_parameters(spec, LayerForm::kOneString)) {
    if (parameter.key == "source" || parameter.is_optional) continue;
    text.append(text.empty() ? "" : ",").append(parameter.key);
    if (!parameter.value.empty()) {
      text.append("=").append(escape_commas(parameter.value));
    }
  }
  return text;
}

}  // namespace veneer::kernel
