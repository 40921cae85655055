# SPDX-License-Identifier: MIT
#
# veneer_all      everything below the program, for the program and the tests,
#                 which see internals: the modules' static libraries.
# veneer_lib      the installed libveneer: the same objects in one archive, or
#                 in one shared library that exports the public API alone.
#
# Whoever links to the archive must also link to what it uses, which is one list
# of pkg-config modules here (VENEER_PC_REQUIRES), in veneer.pc and in
# veneerConfig.cmake. Libraries that tools/deps built are in no system path, so
# they are installed beside ours, in lib/veneer (VENEER_PRIVATE_LIBRARIES).

add_library(veneer_all INTERFACE)
set(module_objects)
set(from_the_top ${VENEER_MODULES})
list(REVERSE from_the_top)
foreach(module IN LISTS from_the_top)
  target_link_libraries(veneer_all INTERFACE ${module})
  get_target_property(type ${module} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    list(APPEND module_objects $<TARGET_OBJECTS:${module}>)
  endif()
endforeach()
if(NOT module_objects)
  return()
endif()

add_library(veneer_lib ${module_objects})
add_library(veneer::veneer ALIAS veneer_lib)
set_target_properties(veneer_lib PROPERTIES
  OUTPUT_NAME veneer EXPORT_NAME veneer LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_compile_features(veneer_lib INTERFACE cxx_std_23)
target_include_directories(veneer_lib INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(VENEER_PC_REQUIRES)
set(VENEER_PRIVATE_LIBRARIES)
if(BUILD_SHARED_LIBS)
  set(map "${PROJECT_SOURCE_DIR}/cmake/libveneer.map")
  target_link_options(veneer_lib PRIVATE "-Wl,--version-script=${map}")
  set_target_properties(veneer_lib PROPERTIES LINK_DEPENDS "${map}")
  target_link_libraries(veneer_lib PRIVATE
    $<BUILD_INTERFACE:veneer_dep_base> $<BUILD_INTERFACE:veneer_dep_containers>
    $<BUILD_INTERFACE:veneer_dep_archive> $<BUILD_INTERFACE:veneer_dep_fuse>)
  return()
endif()

set(VENEER_PC_REQUIRES fmt spdlog libcrypto libarchive libxxhash
  absl_flat_hash_map absl_flat_hash_set absl_node_hash_map absl_inlined_vector
  absl_btree absl_synchronization)
foreach(module fuse3 libblake3)
  set(private_pc "${VENEER_DEPS_DIR}/lib/pkgconfig/${module}.pc")
  if(EXISTS "${private_pc}")
    string(REPLACE "liblib" "lib" file "lib${module}.a")
    list(APPEND VENEER_PRIVATE_LIBRARIES "${VENEER_DEPS_DIR}/lib/${file}")
    execute_process(
      COMMAND "${PKG_CONFIG_EXECUTABLE}" --print-requires "${private_pc}"
      OUTPUT_VARIABLE needed COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[^ \n]+" needed "${needed}")
    list(APPEND VENEER_PC_REQUIRES ${needed})
  else()
    list(APPEND VENEER_PC_REQUIRES ${module})
  endif()
endforeach()
foreach(library IN LISTS VENEER_PRIVATE_LIBRARIES)
  get_filename_component(file "${library}" NAME)
  target_link_libraries(veneer_lib INTERFACE
    $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/veneer/${file}>)
endforeach()
target_link_libraries(veneer_lib INTERFACE
  $<INSTALL_INTERFACE:PkgConfig::VENEER_REQUIRES>)
