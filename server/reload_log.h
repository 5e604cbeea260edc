#ifndef ADV_SERVER_RELOAD_LOG_H_
#define ADV_SERVER_RELOAD_LOG_H_

#include "server/log.h"
#include "server/model_registry.h"

namespace adv {

// One line for each model that was loaded or failed, and for each store that
// cannot be read.
void LogReload(const ReloadResult& result, Log* log);

}  // namespace adv

#endif  // ADV_SERVER_RELOAD_LOG_H_
