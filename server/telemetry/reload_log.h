#ifndef ADV_SERVER_TELEMETRY_RELOAD_LOG_H_
#define ADV_SERVER_TELEMETRY_RELOAD_LOG_H_

#include "server/models/model_registry.h"
#include "server/telemetry/log.h"

namespace adv {

// One line for each model that was loaded or failed, and for each store that
// cannot be read.
void LogReload(const ReloadResult& result, Log* log);

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_RELOAD_LOG_H_
