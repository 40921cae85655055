# SPDX-License-Identifier: MIT
#
# Each folder of test/ is one GoogleTest program, test/<folder> -> the target
# <folder>_test. test/support is the library all of them share. Tests that mount
# use directories of their own, so `ctest -j` is safe.
#
# Beside unit_test there is unit_<module>_test for each folder of test/unit: the
# same tests, linked only to what that module may use. They are built on demand.

find_package(GTest)
if(NOT GTest_FOUND)
  message(STATUS "no tests, as there is no GoogleTest; run tools/deps")
  return()
endif()
include(GoogleTest)

set(test_dir "${PROJECT_SOURCE_DIR}/test")

file(GLOB_RECURSE support_sources CONFIGURE_DEPENDS ${test_dir}/support/*.cc)
if(support_sources)
  add_library(veneer_test_support STATIC ${support_sources})
  veneer_compile_options(veneer_test_support)
  set(support_scope PUBLIC)
else()
  add_library(veneer_test_support INTERFACE)
  set(support_scope INTERFACE)
endif()
target_include_directories(veneer_test_support
  ${support_scope} "${PROJECT_SOURCE_DIR}")
target_link_libraries(veneer_test_support
  ${support_scope} veneer_sys GTest::gtest GTest::gmock)
target_compile_definitions(veneer_test_support ${support_scope}
  VENEER_BIN_DEFAULT="${PROJECT_BINARY_DIR}/veneer"
  VENEER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

# veneer_test_program(<target> LINKS <target>... SOURCES <file>...)
function(veneer_test_program target)
  cmake_parse_arguments(arg "" "" "LINKS;SOURCES" ${ARGN})
  add_executable(${target} ${arg_SOURCES})
  veneer_compile_options(${target})
  target_link_libraries(${target} PRIVATE
    veneer_test_support ${arg_LINKS} GTest::gmock GTest::gmock_main)
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test")
  if(TARGET veneer)
    add_dependencies(${target} veneer)
  endif()
endfunction()

# veneer_test_folder(<folder> TIMEOUT <seconds> [WHOLE]): the program, and its
# tests in ctest: one entry for each test case, or with WHOLE one for them all.
function(veneer_test_folder folder)
  cmake_parse_arguments(arg "WHOLE" "TIMEOUT" "" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${test_dir}/${folder}/*.cc)
  if(NOT sources)
    return()
  endif()
  set(target ${folder}_test)
  set(links veneer_all)
  if(folder STREQUAL unit AND TARGET veneer_cli)
    set(links veneer_cli)
  endif()
  veneer_test_program(${target} LINKS ${links} SOURCES ${sources})
  if(arg_WHOLE)
    add_test(NAME ${folder} COMMAND ${target})
    set_tests_properties(${folder} PROPERTIES TIMEOUT ${arg_TIMEOUT})
  else()
    gtest_discover_tests(${target}
      DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      TEST_PREFIX "${folder}/"
      PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()

veneer_test_folder(unit TIMEOUT 60)
veneer_test_folder(semantics TIMEOUT 120)
veneer_test_folder(crash TIMEOUT 300)
veneer_test_folder(finish TIMEOUT 120)
veneer_test_folder(layerfs TIMEOUT 120)
veneer_test_folder(composefs TIMEOUT 120)
veneer_test_folder(interop TIMEOUT 120)
veneer_test_folder(golden TIMEOUT 60)
veneer_test_folder(regression TIMEOUT 120)
veneer_test_folder(differential TIMEOUT 3600 WHOLE)
veneer_test_folder(stress TIMEOUT 1800 WHOLE)

# The semantics of our mounts once more, another way: while the kernel forgets
# names and pages all the time, and with a write-back cache, where errors and
# refusals come later (docs/semantics.md, departure 9).
function(veneer_semantics_again name setting without)
  if(NOT TARGET semantics_test)
    return()
  endif()
  add_test(NAME semantics_${name}
    COMMAND semantics_test --gtest_brief=1
            "--gtest_filter=*/veneer*:-${without}")
  set_tests_properties(semantics_${name} PROPERTIES
    TIMEOUT 900 ENVIRONMENT "${setting}")
endfunction()
veneer_semantics_again(forgetful VENEER_TEST_DROP_CACHES=1 "")
string(JOIN ":" held_back
  FsyncTest.CopiedUpDataIsOnDiskBeforeTheNameIs/*
  FullDiskTest.CopyUpThatDoesNotFitLeavesTheOldContent/*
  FullDiskTest.FailedCopyUpGivesItsRoomBack/*
  FullDiskTest.WriteSaysSoAndWorksWhenThereIsRoomAgain/*
  IoctlFlagsTest.ImmutableFileRefusesEveryChange/*
  IoctlFlagsTest.ImmutableFileIsStillSoAfterRemount/*
  IoctlFlagsTest.AppendOnlyFileOnlyGrows/*
  IoctlFlagsApartTest.ImmutableWorksWithLayersOnDifferentDisks/*
  LseekSparseTest.HolesOfAnUpperFileAreFound/*
  LseekSparseTest.CopyUpKeepsTheHoles/*)
veneer_semantics_again(writeback "VENEER_TEST_OPTIONS=--writeback on"
  "${held_back}")

# One module's unit tests, for quick turns while working on it.
file(GLOB unit_folders CONFIGURE_DEPENDS LIST_DIRECTORIES true
  ${test_dir}/unit/*)
foreach(folder IN LISTS unit_folders)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cc)
  get_filename_component(module ${folder} NAME)
  if(module STREQUAL layer)
    set(module layer_host)
  endif()
  set(links veneer_${module})
  if(module STREQUAL overlay)
    list(APPEND links veneer_layer_host)
  endif()
  if(sources AND TARGET veneer_${module})
    veneer_test_program(unit_${module}_test LINKS ${links} SOURCES ${sources})
    set_target_properties(unit_${module}_test PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endforeach()

# --- Tests that are not GoogleTest programs ----------------------------------

find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME layers
    COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/check_layers.py")
  add_test(NAME layers_self_test
    COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/check_layers.py"
            --self-test)
endif()

# Not under sanitizers, which the consumer knows nothing of.
if(TARGET veneer_lib AND NOT VENEER_SANITIZE
   AND EXISTS "${PROJECT_SOURCE_DIR}/include/veneer/overlay_fs.h")
  add_test(NAME install
    COMMAND "${PROJECT_SOURCE_DIR}/test/install/run" "${PROJECT_BINARY_DIR}")
  set_tests_properties(install PROPERTIES TIMEOUT 300)
  set_property(TEST install PROPERTY
    ENVIRONMENT CXX=${CMAKE_CXX_COMPILER} CMAKE=${CMAKE_COMMAND})
endif()
