// SPDX-License-Identifier: MIT
//
// The three standard streams: whether a person is at the other end, and how
// wide their screen is.

#pragma once

namespace veneer::sys {

bool is_terminal(int fd);

/// In columns; 80 where the terminal does not say, or `fd` is none.
int terminal_width(int fd);

/// Those of descriptors 0, 1 and 2 that are closed become /dev/null. Otherwise
/// the next file that is opened takes such a number, and gets what is printed.
void open_standard_streams();

}  // namespace veneer::sys
