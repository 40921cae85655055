# SPDX-License-Identifier: MIT
#
# The libraries from outside, each behind a target veneer_dep_<use>. Modules
# link to the use and do not know which library serves it.

if(EXISTS "${VENEER_DEPS_DIR}")
  list(PREPEND CMAKE_PREFIX_PATH "${VENEER_DEPS_DIR}")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(absl REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(LibArchive REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# The two that tools/deps may have built itself.
set(missing_hint "run tools/deps first: it installs or builds what is missing")
pkg_check_modules(FUSE3 IMPORTED_TARGET fuse3>=3.14)
if(NOT FUSE3_FOUND)
  message(FATAL_ERROR "no libfuse 3.14 or newer; ${missing_hint}")
endif()
pkg_check_modules(BLAKE3 IMPORTED_TARGET libblake3)
if(NOT BLAKE3_FOUND)
  message(FATAL_ERROR "no libblake3; ${missing_hint}")
endif()

# veneer_dependency(<use> <target>...): the target veneer_dep_<use>. Headers
# from outside are system headers: their warnings are not ours.
function(veneer_dependency use)
  add_library(veneer_dep_${use} INTERFACE)
  target_link_libraries(veneer_dep_${use} INTERFACE ${ARGN})
endfunction()

veneer_dependency(base
  Threads::Threads fmt::fmt spdlog::spdlog OpenSSL::Crypto PkgConfig::XXHASH
  PkgConfig::BLAKE3 absl::synchronization absl::flat_hash_map
  absl::function_ref)
veneer_dependency(containers
  absl::flat_hash_map absl::flat_hash_set absl::node_hash_map
  absl::inlined_vector absl::btree)
veneer_dependency(archive LibArchive::LibArchive)
veneer_dependency(json nlohmann_json::nlohmann_json)
veneer_dependency(cli CLI11::CLI11 fmt::fmt nlohmann_json::nlohmann_json)

# The interface of libfuse asked for is the newest that both it and we know.
string(REGEX REPLACE "^3\\.([0-9]+).*" "\\1" fuse_minor "${FUSE3_VERSION}")
if(fuse_minor GREATER 18)
  set(fuse_minor 18)
endif()
veneer_dependency(fuse PkgConfig::FUSE3)
target_compile_definitions(veneer_dep_fuse
  INTERFACE "FUSE_USE_VERSION=FUSE_MAKE_VERSION(3,${fuse_minor})")
message(STATUS "libfuse ${FUSE3_VERSION}, BLAKE3 ${BLAKE3_VERSION}")
