// SPDX-License-Identifier: MIT
//
// The machine under the measurements: namespaces of our own, programs, caches,
// the clock.
//
// Everything runs in a private mount and process namespace on a private tmpfs.
// What is mounted there is seen by nobody else, and no daemon outlives the run,
// however it ends. Dropping caches is the one thing that others notice.

#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "veneer/result.h"

namespace veneer::bench {

/// Calls `body` with an empty tmpfs directory, as the first process of its
/// namespace, and returns what it returned. Needs root.
int run_isolated(const std::function<int(const std::string& scratch)>& body);

/// What a finished program left. `status` is its exit code, or 128 + signal.
struct Finished {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs `argv` and waits for it, killing it after a minute. A daemon that it
/// leaves behind is not waited for.
Finished run(const std::vector<std::string>& argv);

/// Waits until no process but this one is left in the namespace; kills what
/// is still there after ten seconds.
void reap_daemons();

/// Resident memory of all other processes of the namespace, in bytes.
std::uint64_t daemon_memory();

/// Makes the kernel forget unused dentries and inodes.
Result<void> drop_dentries();

/// The program's path, or "" if it is not on PATH.
std::string find_program(const std::string& name);

/// The first line of a file, "" if it cannot be read.
std::string first_line(const std::string& path);

/// Seconds since an arbitrary point.
double now();

/// errno as an Error.
inline Error failed(const char* operation, std::string subject = {}) {
  return {errno, operation, std::move(subject)};
}

}  // namespace veneer::bench
