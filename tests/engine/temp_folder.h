#ifndef ADV_TESTS_ENGINE_TEMP_FOLDER_H_
#define ADV_TESTS_ENGINE_TEMP_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace adv {

// An empty folder of its own, removed with all it holds at the end.
class TempFolder {
 public:
  TempFolder() : path_(testing::TempDir() + "/adv_XXXXXX") {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }

  // Writes a file, making its folders; returns its path.
  std::string Write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_TEMP_FOLDER_H_
