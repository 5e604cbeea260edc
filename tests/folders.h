#ifndef ADV_TESTS_FOLDERS_H_
#define ADV_TESTS_FOLDERS_H_

#include <cstdio>
#include <cstdlib>
#include <string>

namespace adv {

// The folders that tests read from. ctest names them in the environment: in
// the compile line they would keep a clone elsewhere from the compiler cache.

// The value of an environment variable; ends the program if it is not set.
inline std::string FolderFromEnvironment(const char* variable) {
  const char* const folder = std::getenv(variable);
  if (folder != nullptr && *folder != '\0') return folder;
  std::fprintf(stderr,
               "%s is not set. ctest sets it; to run a test by hand:\n"
               "  ADV_SOURCE_DIR=<the source tree> ADV_BUILD_DIR=<the build "
               "folder> <test>\n",
               variable);
  std::exit(2);
}

// The source tree.
inline std::string SourceDir() {
  return FolderFromEnvironment("ADV_SOURCE_DIR");
}

// The build folder, where the programs are.
inline std::string BuildDir() { return FolderFromEnvironment("ADV_BUILD_DIR"); }

}  // namespace adv

#endif  // ADV_TESTS_FOLDERS_H_
