#ifndef ADV_SERVER_MODELS_MODEL_REGISTRY_H_
#define ADV_SERVER_MODELS_MODEL_REGISTRY_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "adv/v1/model.pb.h"
#include "model_store/model_store.h"
#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/models/model_aliases.h"
#include "server/models/served_model.h"

namespace adv {

struct ReloadResult {
  std::vector<v1::ModelReference> loaded;  // by this call
  std::vector<v1::Model> failed;           // that failed in this call
  std::vector<std::string> store_errors;   // store folders that it cannot read
};

struct ModelRegistryOptions {
  // Store folders. Where two hold the same name and version with different
  // weights, the one known first is served and the other is reported FAILED.
  std::vector<std::string> stores;
  ModelLoaderOptions loading;
  // Never null.
  std::shared_ptr<ModelAliases> aliases = std::make_shared<ModelAliases>();
  // What the passes of all models go through; null: nothing.
  std::shared_ptr<PassQueue> passes;
  // Time between two looks at the stores; 0: only Reload looks.
  Clock::Duration poll_interval = std::chrono::seconds(5);
  // Besides the newest of each name, so many versions stay in memory.
  int older_versions_kept = 8;
  // Called by the polling thread after a look that loaded something or failed
  // to; for logs. May be empty.
  std::function<void(const ReloadResult&)> on_change;
  // Not owned; must outlive the registry. nullptr: the real one.
  Clock* clock = nullptr;
};

// For metrics; since the start.
struct ModelRegistryStats {
  int64_t loads = 0;
  int64_t load_failures = 0;
  // A published version whose digest changed: someone tampers with a store.
  int64_t digest_changes = 0;
  double load_seconds = 0;
};

// The models that the server holds. The newest version of each name is loaded
// when it appears; older ones when they are asked for. A version that fails
// to load is reported FAILED and the one before it keeps serving. What is
// borrowed stays valid; a swap never waits for readers.
//
// Thread-safe.
class ModelRegistry {
 public:
  // Loads nothing yet: call Reload, which says what it found.
  explicit ModelRegistry(const ModelRegistryOptions& options);
  ~ModelRegistry();
  ModelRegistry(const ModelRegistry&) = delete;
  ModelRegistry& operator=(const ModelRegistry&) = delete;

  // Looks at the stores, loads what is new, tries again what failed, forgets
  // versions that are gone. Returns when all that is done; calls wait for
  // each other.
  ReloadResult Reload() ADV_EXCLUDES(load_mutex_, mutex_);

  // Starts the thread that looks every poll_interval (and does not try again
  // what failed by its own fault). Once.
  void StartPolling();

  // "name": the newest version that is loaded. "name@version": that one, which
  // is loaded first if need be (reads and computes for some tens of
  // milliseconds). An alias: what it stands for, also where a model of its name
  // was published later. NOT_FOUND lists the known names or versions;
  // INVALID_ARGUMENT if it is neither form; FAILED_PRECONDITION with the
  // reason if it could not be loaded.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Borrow(
      absl::string_view model) ADV_EXCLUDES(load_mutex_, mutex_);

  // As Borrow, but never waits for a disk: null if the version is there and
  // would have to be loaded first.
  absl::StatusOr<std::shared_ptr<const ServedModel>> BorrowLoaded(
      absl::string_view model) ADV_EXCLUDES(mutex_);

  // Every published version, by name and version, manifests whole. A version
  // that is not loaded has no state.
  std::vector<v1::Model> List() const ADV_EXCLUDES(mutex_);
  // As List has it; errors as Borrow, but loads nothing.
  absl::StatusOr<v1::Model> Get(absl::string_view model) const
      ADV_EXCLUDES(mutex_);
  // By name: whether a version of it is loaded, so that Borrow(name) works.
  // The server is ready if one is.
  std::map<std::string, bool> Serving() const ADV_EXCLUDES(mutex_);

  // INVALID_ARGUMENT if it is no name, or that of a model.
  absl::Status CheckAlias(absl::string_view alias) const ADV_EXCLUDES(mutex_);
  // Makes `alias`, which CheckAlias likes, stand for `model` as Borrow takes
  // it, or for what `model` stands for if that is an alias. The model is loaded
  // first. Errors as Borrow, and of ModelAliases::Set.
  absl::Status SetAlias(const std::string& alias, absl::string_view model)
      ADV_EXCLUDES(load_mutex_, mutex_);
  ModelAliases& aliases() const { return *options_.aliases; }

  ModelRegistryStats stats() const ADV_EXCLUDES(mutex_);

 private:
  // Changes when a file is replaced: inode, size, time of change.
  using Fingerprint = std::tuple<uint64_t, int64_t, int64_t, int64_t>;
  struct Entry {
    v1::Model model;        // what List tells
    Fingerprint manifest;   // of the manifest's file
    absl::Status fault;     // why it is not loaded, or not trusted; OK if none
    bool conflict = false;  // another store's version has its place
    std::shared_ptr<const ServedModel> served;  // null if not loaded
    int64_t last_used = 0;

    // Whether loading again is of no use while the disk does not change.
    bool is_hopeless() const;
  };
  struct Key {
    uint64_t version = 0;
    size_t store = 0;  // index in stores_
    bool operator<(const Key& other) const {
      return std::tie(version, store) < std::tie(other.version, other.store);
    }
  };
  using Versions = std::map<Key, Entry>;
  struct Name {
    std::string name;
    uint64_t version = 0;  // 0: the newest
  };

  // "name" or "name@version" of what may be an alias.
  std::string Resolve(absl::string_view model) const;
  static absl::StatusOr<Name> ParseName(absl::string_view model);
  static Versions::const_iterator Newest(const Versions& versions);
  absl::StatusOr<Versions::const_iterator> Find(const Name& wanted) const
      ADV_REQUIRES(mutex_);
  // The version if it is loaded. Otherwise null, and its place in `missing`.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Use(const Name& wanted,
                                                         Key* missing)
      ADV_REQUIRES(mutex_);

  ReloadResult Look(bool retry_all) ADV_EXCLUDES(load_mutex_, mutex_);
  // What the store holds; nothing if it cannot be read.
  std::vector<ModelVersion> LookAt(size_t store, ReloadResult* result)
      ADV_REQUIRES(load_mutex_) ADV_EXCLUDES(mutex_);
  void Notice(size_t store, const ModelVersion& version, ReloadResult* result)
      ADV_REQUIRES(load_mutex_) ADV_EXCLUDES(mutex_);
  void Update(const std::string& name, const Key& key, const Entry& seen,
              ReloadResult* result) ADV_REQUIRES(mutex_);
  void Fail(ReloadResult* result, Entry& entry, absl::Status fault)
      ADV_REQUIRES(mutex_);
  void Forget(size_t store, const std::vector<ModelVersion>& present)
      ADV_REQUIRES(load_mutex_) ADV_EXCLUDES(mutex_);
  void LoadNewest(const std::string& name, bool retry_all, ReloadResult* result)
      ADV_REQUIRES(load_mutex_) ADV_EXCLUDES(mutex_);
  absl::StatusOr<std::shared_ptr<const ServedModel>> Load(
      const std::string& name, const Key& key, ReloadResult* result)
      ADV_REQUIRES(load_mutex_) ADV_EXCLUDES(mutex_);
  void DropOldest() ADV_REQUIRES(mutex_);
  void PollLoop() ADV_EXCLUDES(load_mutex_, mutex_);

  const ModelRegistryOptions options_;
  const std::vector<ModelStore> stores_;
  RealClock real_clock_;
  Clock* const clock_;

  Mutex load_mutex_;  // one look or load at a time; taken before mutex_
  mutable Mutex mutex_;
  CondVar stop_;
  bool stopping_ ADV_GUARDED_BY(mutex_) = false;
  std::map<std::string, Versions> models_ ADV_GUARDED_BY(mutex_);
  int64_t uses_ ADV_GUARDED_BY(mutex_) = 0;
  ModelRegistryStats stats_ ADV_GUARDED_BY(mutex_);
  std::thread poller_;
};

}  // namespace adv

#endif  // ADV_SERVER_MODELS_MODEL_REGISTRY_H_
