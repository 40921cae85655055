# SPDX-License-Identifier: MIT
#
# bench/micro and bench/macro, one program each: micro_bench on Google
# Benchmark, macro_bench (which measures mounts) on nothing but ourselves. The
# target `benchmarks` builds both; `all` does not.

find_package(benchmark QUIET)
add_custom_target(benchmarks)
foreach(kind micro macro)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/bench/${kind}/*.cc)
  if(NOT sources OR (kind STREQUAL micro AND NOT benchmark_FOUND))
    continue()
  endif()
  add_executable(${kind}_bench EXCLUDE_FROM_ALL ${sources})
  add_dependencies(benchmarks ${kind}_bench)
  veneer_compile_options(${kind}_bench)
  target_include_directories(${kind}_bench PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${kind}_bench PRIVATE veneer_all)
  if(kind STREQUAL micro)
    target_link_libraries(${kind}_bench PRIVATE benchmark::benchmark_main)
  endif()
  set_target_properties(${kind}_bench PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endforeach()
