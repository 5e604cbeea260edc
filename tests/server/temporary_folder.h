#ifndef ADV_TESTS_SERVER_TEMPORARY_FOLDER_H_
#define ADV_TESTS_SERVER_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace adv {

// A folder of the test's own, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(::testing::TempDir() + "adv_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "mkdtemp failed";
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_TEMPORARY_FOLDER_H_
