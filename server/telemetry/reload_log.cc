#include "server/telemetry/reload_log.h"

namespace adv {

void LogReload(const ReloadResult& result, Log* log) {
  for (const v1::ModelReference& model : result.loaded) {
    log->Info("model_loaded", {{"model", model.name()},
                               {"version", model.version()},
                               {"digest", model.digest()}});
  }
  // An error each: a failed version or store needs somebody to act.
  for (const v1::Model& model : result.failed) {
    log->Error("model_failed", {{"model", model.name()},
                                {"version", model.version()},
                                {"store", model.store()},
                                {"message", model.error()}});
  }
  for (const std::string& error : result.store_errors) {
    log->Error("store_failed", {{"message", error}});
  }
}

}  // namespace adv
