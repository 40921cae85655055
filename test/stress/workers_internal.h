// SPDX-License-Identifier: MIT
//
// What the files of workers share among themselves.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/stress/workers.h"

namespace veneer::testing {

/// The whole file, or none with errno set.
std::optional<std::string> read_whole(int dir, const std::string& path);
bool write_whole(int dir, const std::string& path, const std::string& bytes);

void add_file_workers(Ground& ground, std::uint64_t seed,
                      std::vector<std::unique_ptr<Worker>>& workers);
void add_name_workers(Ground& ground, std::uint64_t seed,
                      std::vector<std::unique_ptr<Worker>>& workers);

}  // namespace veneer::testing
