#ifndef ADV_ENGINE_TRAINING_TEST_RESULT_H_
#define ADV_ENGINE_TRAINING_TEST_RESULT_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/nn/network.h"

namespace adv {

// The results of a network on a labelled data set.
struct TestResult {
  int64_t images = 0;
  int64_t correct = 0;
  double loss = 0;  // mean cross-entropy
  // classes x classes counts, at index true label times classes plus predicted
  // label.
  std::vector<int64_t> confusion;
};

// Classifies every image of `dataset`, which must not be empty.
absl::StatusOr<TestResult> TestNetwork(const Network& network,
                                       const Dataset& dataset);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_TEST_RESULT_H_
