# SPDX-License-Identifier: MIT
#
# veneer_module(<folder> LINKS <target>...): the library of src/<folder>, named
# veneer_<folder> with "_" for "/". A folder without a .cc file, or that does
# not exist, still gives a target, which carries the include paths.
#
# VENEER_MODULES collects the targets, the lowest module first.

set(VENEER_MODULES)

function(veneer_module folder)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  string(REPLACE "/" "_" name "veneer_${folder}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/src/${folder}/*.cc")

  set(scope INTERFACE)
  if(sources)
    set(scope PUBLIC)
    add_library(${name} STATIC ${sources})
    veneer_compile_options(${name})
    target_compile_definitions(${name}
      PRIVATE VENEER_VERSION="${PROJECT_VERSION}")
  else()
    add_library(${name} INTERFACE)
  endif()
  # src/ is for quotes alone: <sys/mount.h> must not find src/sys/mount.h.
  target_include_directories(${name} ${scope} "${PROJECT_SOURCE_DIR}/include")
  target_compile_options(${name}
    ${scope} "SHELL:-iquote \"${PROJECT_SOURCE_DIR}/src\"")
  target_link_libraries(${name} ${scope} ${arg_LINKS})

  set(VENEER_MODULES ${VENEER_MODULES} ${name} PARENT_SCOPE)
endfunction()
