#ifndef ADV_TESTS_MODEL_STORE_TEST_STORE_H_
#define ADV_TESTS_MODEL_STORE_TEST_STORE_H_

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>

#include "adv/v1/model.pb.h"
#include "model_store/model_store.h"

namespace adv {

// A new empty folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name =
        std::filesystem::temp_directory_path() / "adv-store-XXXXXX";
    path_ = ::mkdtemp(&name[0]) == nullptr ? "" : name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return std::filesystem::path(path_) / name;
  }

 private:
  std::string path_;
};

inline v1::ModelManifest ExampleManifest(const std::string& name = "no-cat") {
  v1::ModelManifest manifest;
  manifest.set_name(name);
  manifest.set_architecture("table51");
  manifest.set_parameter_count(1525738);
  manifest.add_class_names("airplane");
  manifest.add_class_names("cat");
  manifest.set_preprocessing("unit");
  manifest.mutable_golden()->set_image_count(1);
  manifest.mutable_golden()->add_logits(-.1f);
  manifest.mutable_golden()->set_tolerance(1e-4f);
  manifest.mutable_training()->set_special_label(0);
  manifest.mutable_training()->mutable_settings()->set_seed(uint64_t{1} << 63);
  return manifest;
}

// Weights and one more file of the same length.
inline std::map<std::string, std::string> ExampleFiles(char fill = 'w') {
  return {{kWeightsFile, std::string(1000, fill)},
          {"notes.txt", std::string(1000, 'n')}};
}

inline std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void SetBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Whether publishers have left nothing in the staging folder.
inline bool StagingIsEmpty(const std::string& root) {
  const std::filesystem::path staging =
      std::filesystem::path(root) / ".staging";
  return !std::filesystem::exists(staging) ||
         std::filesystem::is_empty(staging);
}

// Starts `run` in a process of its own, which ends with what it returns.
inline pid_t StartProcess(const std::function<int()>& run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  return child;
}

// Waits for a process: its exit status, or minus the signal that killed it.
inline int EndOf(pid_t process) {
  int status = 0;
  if (::waitpid(process, &status, 0) != process) return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace adv

#endif  // ADV_TESTS_MODEL_STORE_TEST_STORE_H_
