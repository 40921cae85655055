// SPDX-License-Identifier: MIT

#include "sys/temporary_dir.h"

#include <stdlib.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fault.h"

namespace veneer::sys {

Result<TemporaryDir> TemporaryDir::make(const std::string& place) {
  TRY(fault::before_mutation("mkdtemp"));
  std::string path = place + "/veneer-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return Error(errno, "mkdtemp", place);
  return TemporaryDir(std::move(path));
}

TemporaryDir::~TemporaryDir() {
  // What is not empty stays: it is not ours.
  if (!path_.empty()) ::rmdir(path_.c_str());
}

}  // namespace veneer::sys
