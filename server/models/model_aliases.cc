#include "server/models/model_aliases.h"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "model_store/durable_file.h"
#include "model_store/model_store.h"

namespace adv {
namespace {

// More than kMaxModelAliases of the longest names.
constexpr uint64_t kMaxFileBytes = 1 << 20;

absl::StatusOr<ModelAliases::Targets> Parse(const std::string& path,
                                            const std::string& bytes) {
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat(path, ": is no JSON object of models by alias"));
  const auto json = nlohmann::json::parse(bytes, /*cb=*/nullptr,
                                          /*allow_exceptions=*/false);
  if (!json.is_object()) return damaged;
  ModelAliases::Targets targets;
  for (const auto& [alias, target] : json.items()) {
    if (!IsValidModelName(alias) || !target.is_string()) return damaged;
    targets[alias] = target.get<std::string>();
    if (targets[alias].empty()) return damaged;
  }
  return targets;
}

}  // namespace

absl::StatusOr<std::shared_ptr<ModelAliases>> ModelAliases::Open(
    const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxFileBytes);
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
  absl::StatusOr<Targets> targets = Targets();
  if (bytes.ok()) targets = Parse(path, *bytes);
  if (!targets.ok()) return targets.status();
  return std::shared_ptr<ModelAliases>(
      new ModelAliases(path, *std::move(targets)));
}

std::string ModelAliases::TargetOf(absl::string_view alias) const {
  MutexLock lock(mutex_);
  const auto found = targets_.find(std::string(alias));
  return found == targets_.end() ? "" : found->second;
}

ModelAliases::Targets ModelAliases::List() const {
  MutexLock lock(mutex_);
  return targets_;
}

absl::Status ModelAliases::Set(const std::string& alias,
                               const std::string& target) {
  MutexLock write_lock(write_mutex_);
  Targets targets = List();
  targets[alias] = target;
  if (targets.size() > kMaxModelAliases) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kMaxModelAliases,
                     " aliases, which is as many as there may be"));
  }
  return Replace(std::move(targets));
}

absl::Status ModelAliases::Delete(const std::string& alias) {
  MutexLock write_lock(write_mutex_);
  Targets targets = List();
  if (targets.erase(alias) == 0) {
    return absl::NotFoundError("there is no such alias");
  }
  return Replace(std::move(targets));
}

absl::Status ModelAliases::Replace(Targets targets) {
  if (!path_.empty()) {
    absl::Status written = WriteFileDurably(
        path_, nlohmann::json(targets).dump(/*indent=*/2) + "\n");
    if (absl::IsResourceExhausted(written)) return written;
    // PERMISSION_DENIED would tell the caller that it has the wrong role.
    if (!written.ok()) return absl::InternalError(written.message());
  }
  MutexLock lock(mutex_);
  targets_ = std::move(targets);
  return absl::OkStatus();
}

}  // namespace adv
