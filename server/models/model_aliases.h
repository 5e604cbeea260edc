#ifndef ADV_SERVER_MODELS_MODEL_ALIASES_H_
#define ADV_SERVER_MODELS_MODEL_ALIASES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/compute/mutex.h"

namespace adv {

inline constexpr size_t kMaxModelAliases = 1000;

// Further names of models: "stable" for "no-cat@2". It knows nothing of the
// models. Kept in a JSON file, an object of targets by alias, which is replaced
// in one step, so that a kill loses nothing. The file has one writer.
//
// Thread-safe; readers never wait for the disk.
class ModelAliases {
 public:
  using Targets = std::map<std::string, std::string>;

  // Without a file: forgotten at the end.
  ModelAliases() = default;
  // What the file has; nothing if it is not there yet. DATA_LOSS if it has
  // something else than aliases.
  static absl::StatusOr<std::shared_ptr<ModelAliases>> Open(
      const std::string& path);

  // Empty if there is no such alias.
  std::string TargetOf(absl::string_view alias) const ADV_EXCLUDES(mutex_);
  Targets List() const ADV_EXCLUDES(mutex_);

  // Each is in the file before it is seen. After an error nothing has changed.
  // RESOURCE_EXHAUSTED for a full disk, or beyond kMaxModelAliases; INTERNAL if
  // the file cannot be written otherwise. Delete: NOT_FOUND.
  absl::Status Set(const std::string& alias, const std::string& target)
      ADV_EXCLUDES(write_mutex_, mutex_);
  absl::Status Delete(const std::string& alias)
      ADV_EXCLUDES(write_mutex_, mutex_);

 private:
  ModelAliases(std::string path, Targets targets)
      : path_(std::move(path)), targets_(std::move(targets)) {}
  absl::Status Replace(Targets targets) ADV_REQUIRES(write_mutex_)
      ADV_EXCLUDES(mutex_);

  const std::string path_;  // empty: no file
  Mutex write_mutex_;       // one change at a time; taken before mutex_
  mutable Mutex mutex_;
  Targets targets_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_MODELS_MODEL_ALIASES_H_
