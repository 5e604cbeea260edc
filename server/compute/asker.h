#ifndef ADV_SERVER_COMPUTE_ASKER_H_
#define ADV_SERVER_COMPUTE_ASKER_H_

#include <atomic>
#include <cstdint>

#include "server/compute/cancel_token.h"

namespace adv {

// On whose behalf an endpoint is asked.
struct Asker {
  // The images that are sent are added here, each time that they are sent. Not
  // owned; may be null.
  std::atomic<int64_t>* sent = nullptr;
  // Once it is cancelled, the calls and the waits for this asker end.
  CancelToken cancel = {};
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_ASKER_H_
