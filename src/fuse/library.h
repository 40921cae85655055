// SPDX-License-Identifier: MIT
//
// Which libfuse this program was built with, and what that one can do: for
// `veneer --version` and `veneer doctor`.

#pragma once

#include <string>

namespace veneer::fuse {

/// "3.18.3"
std::string library_version();

/// Requests by io_uring; what the kernel says to it is another question.
bool library_has_io_uring();

/// Reads of a file handed to the kernel, past the server.
bool library_has_passthrough();

}  // namespace veneer::fuse
