// How the registry looks at its stores and loads what it finds.
#include <absl/strings/str_cat.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "server/models/model_registry.h"
#include "server/wire/errors.h"

namespace adv {
namespace {

// A version's digest is that of its weights, which the manifest lists, so the
// weights need not be read for it.
std::string DigestOf(const v1::ModelManifest& manifest) {
  return StoredModel{manifest, {}}.digest();
}

absl::Status DigestChanged(absl::string_view name, uint64_t version,
                           absl::string_view before, absl::string_view now) {
  return absl::DataLossError(
      absl::StrCat(name, "@", version, " was published with digest ", before,
                   ", but its manifest now says ", now,
                   ": published versions must not change"));
}

}  // namespace

bool ModelRegistry::Entry::is_hopeless() const {
  // An endpoint that is away may come back without a change on the disk.
  if (HasReason(fault, Reason::kModelUnreachable)) return false;
  return absl::IsDataLoss(fault) || absl::IsInvalidArgument(fault) ||
         absl::IsFailedPrecondition(fault);
}

ReloadResult ModelRegistry::Look(bool retry_all) {
  MutexLock load_lock(load_mutex_);
  ReloadResult result;
  // Forgets in all stores first: a version that is gone from one store makes
  // room for the same version of another.
  std::vector<std::vector<ModelVersion>> present(stores_.size());
  for (size_t store = 0; store < stores_.size(); ++store) {
    present[store] = LookAt(store, &result);
  }
  for (size_t store = 0; store < stores_.size(); ++store) {
    for (const ModelVersion& version : present[store]) {
      Notice(store, version, &result);
    }
  }
  // LoadNewest takes the lock by itself and gives it back while it loads, so
  // the names are copied.
  std::vector<std::string> names;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, versions] : models_) names.push_back(name);
  }
  for (const std::string& name : names) LoadNewest(name, retry_all, &result);
  return result;
}

std::vector<ModelVersion> ModelRegistry::LookAt(size_t store,
                                                ReloadResult* result) {
  absl::StatusOr<std::vector<ModelVersion>> present = stores_[store].List();
  if (!present.ok()) {
    // The store may be away only for a moment: what is loaded stays.
    result->store_errors.emplace_back(present.status().message());
    return {};
  }
  Forget(store, *present);
  return *std::move(present);
}

void ModelRegistry::Forget(size_t store,
                           const std::vector<ModelVersion>& present) {
  std::set<std::pair<std::string, uint64_t>> there;
  for (const ModelVersion& version : present) {
    there.emplace(version.name, version.version);
  }
  MutexLock lock(mutex_);
  for (auto name = models_.begin(); name != models_.end();) {
    Versions& versions = name->second;
    std::set<uint64_t> free;  // versions whose owner is gone
    for (auto entry = versions.begin(); entry != versions.end();) {
      const Key& key = entry->first;
      const bool gone =
          key.store == store && there.count({name->first, key.version}) == 0;
      if (gone && !entry->second.conflict) free.insert(key.version);
      entry = gone ? versions.erase(entry) : std::next(entry);
    }
    // Other stores' entries of these versions were conflicts. Notice meets them
    // anew and may now take them.
    for (auto entry = versions.begin(); entry != versions.end();) {
      entry = free.count(entry->first.version) != 0 ? versions.erase(entry)
                                                    : std::next(entry);
    }
    name = versions.empty() ? models_.erase(name) : std::next(name);
  }
}

void ModelRegistry::Notice(size_t store, const ModelVersion& version,
                           ReloadResult* result) {
  const std::string path = std::filesystem::path(stores_[store].root()) /
                           version.name / absl::StrCat(version.version) /
                           kManifestFile;
  // Taken before the manifest is read: a change in between is met at the next
  // look.
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return;  // deleted since it was listed
  const Key key{version.version, store};
  Entry seen;
  seen.manifest = {file.st_ino, file.st_size, file.st_mtim.tv_sec,
                   file.st_mtim.tv_nsec};
  {
    MutexLock lock(mutex_);
    const auto versions = models_.find(version.name);
    if (versions != models_.end()) {
      const auto known = versions->second.find(key);
      if (known != versions->second.end() &&
          known->second.manifest == seen.manifest) {
        return;
      }
    }
  }
  // Only a manifest that is new or changed comes this far, so most looks read
  // none.
  seen.model.set_name(version.name);
  seen.model.set_version(version.version);
  seen.model.set_store(stores_[store].root());
  auto manifest = stores_[store].ReadManifest(version.name, version.version);
  if (manifest.ok()) {
    seen.model.set_digest(DigestOf(*manifest));
    *seen.model.mutable_manifest() = *std::move(manifest);
  } else {
    seen.fault = manifest.status();
  }
  MutexLock lock(mutex_);
  Update(version.name, key, seen, result);
}

void ModelRegistry::Fail(ReloadResult* result, Entry& entry,
                         absl::Status fault) {
  ++stats_.load_failures;
  entry.fault = std::move(fault);
  entry.model.set_state(v1::MODEL_STATE_FAILED);
  entry.model.set_error(std::string(entry.fault.message()));
  result->failed.push_back(entry.model);
}

// Compares what was seen on disk with what is known. Load reports manifests
// that cannot be read, but a version that is served is not loaded again: its
// fault is reported here.
void ModelRegistry::Update(const std::string& name, const Key& key,
                           const Entry& seen, ReloadResult* result) {
  Versions& versions = models_[name];
  const std::string& digest = seen.model.digest();
  if (const auto known = versions.find(key); known != versions.end()) {
    Entry& entry = known->second;
    // Kept even after a failure, which is thus reported once for each change.
    entry.manifest = seen.manifest;
    const std::string before = entry.model.digest();
    if (!before.empty() && !digest.empty() && before != digest) {
      ++stats_.digest_changes;
      // What is served stays in service: it is what was published first.
      Fail(result, entry, DigestChanged(name, key.version, before, digest));
    } else if (entry.served != nullptr && !seen.fault.ok()) {
      Fail(result, entry, seen.fault);
    } else if (entry.served != nullptr) {  // as it was, perhaps again
      entry.fault = absl::OkStatus();
      entry.model.clear_error();
      entry.model.set_state(v1::MODEL_STATE_READY);
      // Not loaded yet: the new manifest takes the place, and Load will say
      // what is wrong with it.
    } else if (!entry.conflict) {
      entry = seen;
      entry.fault = absl::OkStatus();
    }
    return;
  }
  for (const auto& [other_key, other] : versions) {
    if (other_key.version != key.version || other.conflict) continue;
    // A copy of the same version is no conflict, and needs no entry.
    if (!digest.empty() && other.model.digest() == digest) return;
    const std::string place = other.model.store();
    Entry& entry = versions[key] = seen;
    entry.conflict = true;
    Fail(result, entry,
         absl::FailedPreconditionError(absl::StrCat(
             name, "@", key.version, " is the one of ", place,
             " already, with other weights: publish these as a higher "
             "version")));
    return;
  }
  versions[key] = seen;
  versions[key].fault = absl::OkStatus();
}

void ModelRegistry::LoadNewest(const std::string& name, bool retry_all,
                               ReloadResult* result) {
  std::vector<Key> candidates;  // newest first
  {
    MutexLock lock(mutex_);
    const Versions& versions = models_[name];
    for (auto entry = versions.rbegin(); entry != versions.rend(); ++entry) {
      // What is older than the newest loaded version is loaded when asked for.
      if (entry->second.served != nullptr) break;
      if (entry->second.conflict) continue;
      if (retry_all || !entry->second.is_hopeless()) {
        candidates.push_back(entry->first);
      }
    }
  }
  for (const Key& key : candidates) {
    // If the newest fails, the one before it serves.
    if (Load(name, key, result).ok()) return;
  }
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRegistry::Load(
    const std::string& name, const Key& key, ReloadResult* result) {
  std::string digest;
  {
    MutexLock lock(mutex_);
    Entry& entry = models_[name][key];
    entry.model.set_state(v1::MODEL_STATE_LOADING);
    digest = entry.model.digest();
  }
  // Reads and computes without `mutex_`: others borrow meanwhile.
  const Clock::Time start = clock_->Now();
  absl::StatusOr<std::shared_ptr<const ServedModel>> served;
  auto stored = stores_[key.store].Read(name, key.version);
  if (!stored.ok()) {
    served = stored.status();
    // The version was replaced since the last look.
  } else if (!digest.empty() && stored->digest() != digest) {
    served = DigestChanged(name, key.version, digest, stored->digest());
  } else {
    served = BuildServedModel(*stored, stores_[key.store].root(),
                              options_.loading, options_.passes);
  }

  MutexLock lock(mutex_);
  stats_.load_seconds += Seconds(clock_->Now() - start);
  Entry& entry = models_[name][key];
  if (!served.ok()) {
    Fail(result, entry, served.status());
    return served.status();
  }
  ++stats_.loads;
  entry.fault = absl::OkStatus();
  entry.model.clear_error();
  entry.served = *served;
  entry.last_used = ++uses_;
  entry.model.set_state(v1::MODEL_STATE_READY);
  entry.model.set_digest(entry.served->digest);
  *entry.model.mutable_manifest() = entry.served->manifest;
  result->loaded.push_back(entry.served->reference());
  DropOldest();
  return served;
}

void ModelRegistry::DropOldest() {
  std::vector<Entry*> older;  // loaded, and not the newest of its name
  for (auto& [name, versions] : models_) {
    bool newest = true;
    for (auto entry = versions.rbegin(); entry != versions.rend(); ++entry) {
      if (entry->second.served == nullptr) continue;
      if (!newest) older.push_back(&entry->second);
      newest = false;
    }
  }
  const int surplus = static_cast<int>(older.size()) -
                      std::max(options_.older_versions_kept, 0);
  if (surplus <= 0) return;
  // Those that were unused for longest go.
  std::sort(older.begin(), older.end(), [](const Entry* a, const Entry* b) {
    return a->last_used < b->last_used;
  });
  for (int i = 0; i < surplus; ++i) {
    // Whoever borrowed it keeps it alive.
    older[i]->served = nullptr;
    // A version with a fault stays FAILED, as its users must know.
    if (older[i]->fault.ok()) {
      older[i]->model.set_state(v1::MODEL_STATE_UNSPECIFIED);
    }
  }
}

}  // namespace adv
