// SPDX-License-Identifier: MIT

#include "bench/macro/stage.h"

namespace veneer::bench {

std::vector<Stage> all_stages() {
  const Step look{nullptr, list};
  return {
      {.name = "walk",
       .steps = {{"walk, cold", walk}, {"walk, warm", walk, 3}}},
      {.name = "list",
       .steps = {{"walk + stat, cold", list}, {"walk + stat, warm", list, 3}}},
      {.name = "stat",
       .steps = {{"stat, cold", stat_files}, {"stat, warm", stat_files, 3}}},
      {.name = "read",
       .steps = {{"open+read+close, cold", read_files},
                 {"open+read+close, warm", read_files, 3}}},
      {.name = "miss",
       .steps = {{"miss, cold", miss}, {"miss, warm", miss, 3}}},
      {.name = "create",
       .steps = {look,
                 {"create", create},
                 {"create in a new directory", create_in_new}},
       .changes = true},
      {.name = "change",
       .steps = {look,
                 {"append, first", append},
                 {"append, again", append},
                 {"chmod", chmod_files},
                 {"rename", rename_files},
                 {"unlink", unlink_files}},
       .changes = true},
      {.name = "read 1 MiB",
       .steps = {{"read in 1 MiB steps, cold", read_big_1m, 1, "MiB"},
                 {"read in 1 MiB steps, warm", read_big_1m, 2, "MiB"}}},
      {.name = "read 64 KiB",
       .steps = {{"read in 64 KiB steps, cold", read_big_64k, 1, "MiB"},
                 {"read in 64 KiB steps, warm", read_big_64k, 2, "MiB"}}},
      {.name = "write",
       .steps = {{"write in 1 MiB steps", write_big_1m, 1, "MiB"},
                 {"write in 64 KiB steps", write_big_64k, 1, "MiB"},
                 {"append to the big file, first", append_to_big, 1, "MiB"}},
       .changes_big = true},
      {.name = "stack",
       .ground = Ground::kStack,
       .steps = {{"deep stack: stat, cold", stat_stack},
                 {"deep stack: stat, warm", stat_stack, 3},
                 {"deep stack: miss, cold", miss_in_stack},
                 {"deep stack: miss, warm", miss_in_stack, 3}}},
      {.name = "memory",
       .ground = Ground::kNodes,
       .steps = {{nullptr, stat_nodes}},
       .measures_memory = true},
  };
}

}  // namespace veneer::bench
