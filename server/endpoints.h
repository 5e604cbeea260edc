#ifndef ADV_SERVER_ENDPOINTS_H_
#define ADV_SERVER_ENDPOINTS_H_

#include <absl/status/statusor.h>

#include "server/compute/endpoint.h"
#include "server/options.h"

namespace adv {

// The endpoints that the options name. INVALID_ARGUMENT names the option that
// is wrong; NOT_FOUND the file that cannot be read. Connects to none.
absl::StatusOr<Endpoints> MakeEndpoints(const Options& options);

}  // namespace adv

#endif  // ADV_SERVER_ENDPOINTS_H_
