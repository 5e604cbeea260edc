# Installs what `advctl` says of itself to shells. Takes `advctl`, its path.
cmake_policy(VERSION 3.25)
set(share "${CMAKE_INSTALL_PREFIX}/share")
# Debian's zsh looks for packages' completions elsewhere than for local ones.
set(zsh "${share}/zsh/site-functions")
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(zsh "${share}/zsh/vendor-completions")
endif()

cmake_path(GET advctl PARENT_PATH build)
function(install_completion shell folder name)
  set(file "${build}/completion/${shell}/${name}")
  file(MAKE_DIRECTORY "${build}/completion/${shell}")
  execute_process(COMMAND "${advctl}" completion ${shell}
                  OUTPUT_FILE "${file}" COMMAND_ERROR_IS_FATAL ANY)
  file(INSTALL "${file}" DESTINATION "${folder}")
endfunction()

install_completion(bash "${share}/bash-completion/completions" advctl)
install_completion(zsh "${zsh}" _advctl)
install_completion(fish "${share}/fish/vendor_completions.d" advctl.fish)
