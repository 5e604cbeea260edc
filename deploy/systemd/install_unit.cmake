# Installs a unit, its settings and its user. A unit names folders below the
# prefix, which is known only now. Takes `component`, `program`, `unit` and
# `build`, a folder for what is made.
cmake_policy(VERSION 3.25)
set(source "${CMAKE_CURRENT_LIST_DIR}")
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
# GNUInstallDirs' rule for a prefix that came late.
if(prefix STREQUAL "/usr")
  set(etc /etc)
else()
  set(etc "${prefix}/etc")
endif()
set(settings "${etc}/default")

file(READ "${source}/hardening.conf" hardening)
configure_file("${source}/${unit}.in" "${build}/${unit}" @ONLY)
file(INSTALL "${build}/${unit}" DESTINATION "${prefix}/lib/systemd/system")
configure_file("${source}/adv.sysusers" "${build}/adv-${component}.conf"
               COPYONLY)
file(INSTALL "${build}/adv-${component}.conf"
     DESTINATION "${prefix}/lib/sysusers.d")
# Settings that somebody has edited stay.
if(NOT EXISTS "$ENV{DESTDIR}${settings}/${program}")
  configure_file("${source}/${program}.default" "${build}/${program}" COPYONLY)
  file(INSTALL "${build}/${program}" DESTINATION "${settings}")
endif()
