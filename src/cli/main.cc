// SPDX-License-Identifier: MIT
//
// veneer: the command line. See run.cc for what it understands.

#include "cli/commands.h"

int main(int argc, char** argv) { return veneer::cli::run(argc, argv); }
