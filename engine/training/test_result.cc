#include "engine/training/test_result.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace adv {
namespace {

// Bounds the memory of a pass. The sums do not depend on it but for rounding.
constexpr int64_t kBatch = 256;

}  // namespace

absl::StatusOr<TestResult> TestNetwork(const Network& network,
                                       const Dataset& dataset) {
  const int64_t classes = network.traits().classes;
  TestResult result;
  result.images = dataset.size();
  result.confusion.assign(classes * classes, 0);
  for (int64_t begin = 0; begin < dataset.size(); begin += kBatch) {
    std::vector<int64_t> indices(std::min(kBatch, dataset.size() - begin));
    std::iota(indices.begin(), indices.end(), begin);
    const at::Tensor labels = dataset.Labels(indices);
    const absl::StatusOr<at::Tensor> found =
        network.Logits(dataset.Pixels(indices));
    if (!found.ok()) return found.status();
    const at::Tensor logits = found->to(at::kCPU);
    // The sum, because the last batch may be smaller and a mean of means would
    // weigh its images more.
    result.loss +=
        at::nll_loss(at::log_softmax(logits, 1), labels, {}, at::Reduction::Sum)
            .item<double>();
    const at::Tensor predicted = logits.argmax(1);
    const int64_t* truth = labels.data_ptr<int64_t>();
    const int64_t* guess = predicted.data_ptr<int64_t>();
    for (int64_t i = 0; i < labels.size(0); ++i) {
      ++result.confusion[truth[i] * classes + guess[i]];
      result.correct += truth[i] == guess[i] ? 1 : 0;
    }
  }
  result.loss /= static_cast<double>(result.images);
  return result;
}

}  // namespace adv
