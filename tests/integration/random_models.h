#ifndef ADV_TESTS_INTEGRATION_RANDOM_MODELS_H_
#define ADV_TESTS_INTEGRATION_RANDOM_MODELS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace adv {

// Publishes a network with random weights under `name` in the store folder
// `root`, and returns its version. `special_label` of its training record, if
// not negative.
absl::StatusOr<uint64_t> PublishRandomModel(
    const std::string& root, const std::string& name, uint64_t seed,
    int special_label = -1, const std::string& architecture = "table51");

}  // namespace adv

#endif  // ADV_TESTS_INTEGRATION_RANDOM_MODELS_H_
