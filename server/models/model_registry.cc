#include "server/models/model_registry.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <utility>

namespace adv {
namespace {

std::vector<ModelStore> Stores(const std::vector<std::string>& roots) {
  return std::vector<ModelStore>(roots.begin(), roots.end());
}

// The keys of a map, for errors that list what is known.
template <typename Map>
std::string KeysOf(const Map& map) {
  return absl::StrJoin(map, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first);
  });
}

absl::Status NotLoaded(absl::string_view name, uint64_t version,
                       const absl::Status& fault) {
  return absl::FailedPreconditionError(
      absl::StrCat("model \"", name, "@", version,
                   "\" could not be loaded: ", fault.message()));
}

}  // namespace

ModelRegistry::ModelRegistry(const ModelRegistryOptions& options)
    : options_(options),
      stores_(Stores(options.stores)),
      clock_(options.clock != nullptr ? options.clock : &real_clock_) {}

ModelRegistry::~ModelRegistry() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_.NotifyAll();
  }
  if (poller_.joinable()) poller_.join();
}

ReloadResult ModelRegistry::Reload() { return Look(/*retry_all=*/true); }

std::string ModelRegistry::Resolve(absl::string_view model) const {
  std::string target = aliases().TargetOf(model);
  return target.empty() ? std::string(model) : target;
}

absl::StatusOr<ModelRegistry::Name> ModelRegistry::ParseName(
    absl::string_view model) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(model, absl::MaxSplits('@', 1));
  Name name{parts.first, 0};
  // "name@" has an empty version. That is an error and not the newest version.
  const bool has_version = model.size() > parts.first.size();
  if (!IsValidModelName(name.name) ||
      (has_version &&
       (!absl::SimpleAtoi(parts.second, &name.version) || name.version == 0))) {
    return absl::InvalidArgumentError(
        "must be \"name\" or \"name@version\": the name 1 to 64 lower-case "
        "letters, digits and dashes, starting with a letter, the version a "
        "number from 1");
  }
  return name;
}

// The newest that is loaded, or the newest of all if none is. Conflicts do not
// count.
ModelRegistry::Versions::const_iterator ModelRegistry::Newest(
    const Versions& versions) {
  auto newest = versions.end();
  for (auto entry = versions.begin(); entry != versions.end(); ++entry) {
    if (entry->second.conflict) continue;
    // Versions come in rising order: a later one wins, unless it is not loaded
    // and the earlier one is.
    if (newest == versions.end() || entry->second.served != nullptr ||
        newest->second.served == nullptr) {
      newest = entry;
    }
  }
  return newest;
}

absl::StatusOr<ModelRegistry::Versions::const_iterator> ModelRegistry::Find(
    const Name& wanted) const {
  const auto found = models_.find(wanted.name);
  if (found == models_.end()) {
    return absl::NotFoundError(
        absl::StrCat("model \"", wanted.name, "\" is not known: ",
                     models_.empty() ? "there are none"
                                     : "must be one of " + KeysOf(models_)));
  }
  const Versions& versions = found->second;
  // There always is one: a conflict stands beside an entry without a conflict.
  if (wanted.version == 0) return Newest(versions);
  // Two stores may have the same version, which the error lists once.
  std::map<uint64_t, bool> known;
  for (auto entry = versions.begin(); entry != versions.end(); ++entry) {
    known[entry->first.version] = true;
    if (entry->first.version == wanted.version && !entry->second.conflict) {
      return entry;
    }
  }
  return absl::NotFoundError(
      absl::StrCat("model \"", wanted.name, "@", wanted.version,
                   "\" is not known: versions are ", KeysOf(known)));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRegistry::Use(
    const Name& wanted, Key* missing) {
  const auto found = Find(wanted);
  if (!found.ok()) return found.status();
  *missing = (*found)->first;
  Entry& entry = models_[wanted.name][*missing];
  if (entry.served != nullptr) {
    // Uses are counted, so the least number is the one that was unused for
    // longest.
    entry.last_used = ++uses_;
    // Loading would fail again, and each request would wait for the disk.
  } else if (entry.is_hopeless()) {
    return NotLoaded(entry.model.name(), missing->version, entry.fault);
  }
  return entry.served;
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRegistry::BorrowLoaded(
    absl::string_view model) {
  const absl::StatusOr<Name> wanted = ParseName(Resolve(model));
  if (!wanted.ok()) return wanted.status();
  Key missing;
  MutexLock lock(mutex_);
  return Use(*wanted, &missing);
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRegistry::Borrow(
    absl::string_view model) {
  auto served = BorrowLoaded(model);
  if (!served.ok() || *served != nullptr) return served;
  const absl::StatusOr<Name> wanted = ParseName(Resolve(model));
  // Loading holds this lock alone, so that those who borrow what is loaded do
  // not wait for a disk.
  MutexLock load_lock(load_mutex_);
  Key missing;
  {
    MutexLock lock(mutex_);
    // Another caller may have loaded it meanwhile.
    served = Use(*wanted, &missing);
    if (!served.ok() || *served != nullptr) return served;
  }
  ReloadResult result;
  served = Load(wanted->name, missing, &result);
  if (served.ok()) return served;
  return NotLoaded(wanted->name, missing.version, served.status());
}

std::vector<v1::Model> ModelRegistry::List() const {
  std::vector<v1::Model> list;
  MutexLock lock(mutex_);
  for (const auto& [name, versions] : models_) {
    for (const auto& [key, entry] : versions) list.push_back(entry.model);
  }
  return list;
}

absl::StatusOr<v1::Model> ModelRegistry::Get(absl::string_view model) const {
  const absl::StatusOr<Name> wanted = ParseName(Resolve(model));
  if (!wanted.ok()) return wanted.status();
  MutexLock lock(mutex_);
  const auto found = Find(*wanted);
  if (!found.ok()) return found.status();
  return (*found)->second.model;
}

std::map<std::string, bool> ModelRegistry::Serving() const {
  std::map<std::string, bool> serving;
  MutexLock lock(mutex_);
  for (const auto& [name, versions] : models_) {
    serving[name] = Newest(versions)->second.served != nullptr;
  }
  return serving;
}

absl::Status ModelRegistry::CheckAlias(absl::string_view alias) const {
  if (!IsValidModelName(alias)) {
    return absl::InvalidArgumentError(absl::StrCat("must be ", kModelNameRule));
  }
  MutexLock lock(mutex_);
  if (models_.count(std::string(alias)) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("is the name of a model");
}

absl::Status ModelRegistry::SetAlias(const std::string& alias,
                                     absl::string_view model) {
  const std::string target = Resolve(model);
  if (const auto loaded = Borrow(target); !loaded.ok()) return loaded.status();
  return aliases().Set(alias, target);
}

ModelRegistryStats ModelRegistry::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

void ModelRegistry::StartPolling() {
  if (options_.poll_interval <= Clock::Duration::zero()) return;
  poller_ = std::thread([this] { PollLoop(); });
}

void ModelRegistry::PollLoop() {
  Clock::Time next = clock_->Now() + options_.poll_interval;
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!stopping_ && clock_->Now() < next) {
        clock_->WaitUntil(stop_, mutex_, next);
      }
      if (stopping_) return;
    }
    // Without the lock: a look may load models, and who borrows must not wait
    // for that.
    const ReloadResult result = Look(/*retry_all=*/false);
    if (options_.on_change &&
        (!result.loaded.empty() || !result.failed.empty())) {
      options_.on_change(result);
    }
    next = clock_->Now() + options_.poll_interval;
  }
}

}  // namespace adv
