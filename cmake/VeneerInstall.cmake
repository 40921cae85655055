# SPDX-License-Identifier: MIT
#
# What `make install` puts where. mount(8) looks for its helpers in /sbin alone:
# with a prefix other than /usr, set VENEER_MOUNT_HELPER_DIR to have
# `mount -t fuse.veneer` and /etc/fstab work without a link by hand.

include(CMakePackageConfigHelpers)

set(VENEER_MOUNT_HELPER_DIR "${CMAKE_INSTALL_SBINDIR}" CACHE PATH
  "Where mount.fuse.veneer is installed")
if(EXISTS "${PROJECT_SOURCE_DIR}/tools/mount.fuse.veneer")
  install(PROGRAMS tools/mount.fuse.veneer
    DESTINATION ${VENEER_MOUNT_HELPER_DIR})
endif()

file(GLOB man_pages CONFIGURE_DEPENDS man/*.[1-8])
foreach(page IN LISTS man_pages)
  string(REGEX REPLACE ".*\\." "" section "${page}")
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
foreach(document README.md CHANGELOG.md LICENSE docs)
  if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/${document}")
    install(DIRECTORY ${document}/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
  elseif(EXISTS "${PROJECT_SOURCE_DIR}/${document}")
    install(FILES ${document} DESTINATION ${CMAKE_INSTALL_DOCDIR})
  endif()
endforeach()

if(NOT TARGET veneer_lib)
  return()
endif()

set(veneer_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/veneer")
install(TARGETS veneer_lib EXPORT veneer
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT veneer NAMESPACE veneer:: FILE veneerTargets.cmake
  DESTINATION ${veneer_package_dir})
install(DIRECTORY include/veneer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
if(VENEER_PRIVATE_LIBRARIES)
  install(FILES ${VENEER_PRIVATE_LIBRARIES}
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/veneer)
endif()

configure_package_config_file(cmake/veneerConfig.cmake.in
  "${PROJECT_BINARY_DIR}/veneerConfig.cmake"
  INSTALL_DESTINATION ${veneer_package_dir})
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/veneerConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/veneerConfig.cmake"
  "${PROJECT_BINARY_DIR}/veneerConfigVersion.cmake"
  DESTINATION ${veneer_package_dir})

# In veneer.pc paths are relative to where it lies, so that the tree can move.
file(RELATIVE_PATH pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
set(pc_private_libs)
foreach(library IN LISTS VENEER_PRIVATE_LIBRARIES)
  get_filename_component(file "${library}" NAME)
  string(APPEND pc_private_libs " \${libdir}/veneer/${file}")
endforeach()
list(JOIN VENEER_PC_REQUIRES " " pc_requires)
configure_file(cmake/veneer.pc.in "${PROJECT_BINARY_DIR}/veneer.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/veneer.pc"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
