// SPDX-License-Identifier: MIT
//
// veneer export: the changes of a session as a layer of a container image.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/new_file.h"
#include "cli/progress.h"
#include "session/finish.h"
#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr int kStandardOutput = 1;

constexpr char kDescription[] =
    "Writes the changes of a session that is not mounted as a layer of an OCI "
    "image: a tar with .wh. whiteouts that, unpacked over the base, gives the "
    "merged tree. Two exports of one session have the same bytes. The session "
    "stays as it is.";

constexpr char kExamples[] = R"(write the changes as a layer of an image

Examples:
  veneer export --oci layer.tar base.upper
  veneer export --oci - base.upper | zstd > layer.tar.zst)";

Result<finalize::ExportReport> write_layer(const session::FoundSession& session,
                                           int fd) {
  ProgressReport progress(ProgressMode::kAuto);
  return session::export_oci(session, fd, progress.callback());
}

Result<void> export_session(const std::string& name, const std::string& file) {
  TRY_ASSIGN(const session::FoundSession session, session::find_session(name));
  if (file == "-") {
    TRY(write_layer(session, kStandardOutput));
    return {};
  }
  TRY_ASSIGN(NewFile layer, NewFile::create(file));
  TRY_ASSIGN(const finalize::ExportReport report,
             write_layer(session, layer.fd()));
  TRY(layer.publish());
  fmt::print("{}: {} entries, {}, {}\n", show_path(file), report.entries,
             show_size(report.bytes), report.diff_id);
  return {};
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  struct Arguments {
    std::string session;
    std::string file;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("export", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer export --oci FILE SESSION"));
  command->footer(kExamples);
  command->group(kFinishing);
  command
      ->add_option("--oci", arguments->file,
                   "Where the tar goes; - is standard output.")
      ->required()
      ->type_name("FILE");
  add_session(*command, arguments->session);
  command->callback([arguments, &action] {
    action = [arguments] {
      if (arguments->file == "-" && sys::is_terminal(kStandardOutput)) {
        return complain_usage(
            "a tar is nothing to look at on a terminal (send it to a file or "
            "a program)",
            "veneer export");
      }
      const auto done = export_session(arguments->session, arguments->file);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
