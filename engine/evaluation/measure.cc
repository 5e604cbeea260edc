#include "engine/evaluation/measure.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/attacks/layout.h"

namespace adv {
namespace {

// The softmax is computed in double. With the largest logit taken off, the term
// of the prediction is 1, so that its probability is 1 / sum.
Verdict VerdictOf(const float* logits, int64_t classes, int64_t label) {
  // Of equal logits the first counts, as argmax does.
  const float* largest = std::max_element(logits, logits + classes);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) {
    // Subtracting the largest logit keeps exp from overflowing.
    sum += std::exp(static_cast<double>(logits[k]) - *largest);
  }
  return {largest - logits, 1 / sum,
          std::exp(static_cast<double>(logits[label]) - *largest) / sum};
}

// The sums run over the values in their order in memory, which fixes the
// rounding.
Distance DistanceOf(const float* image, const float* original, int64_t values) {
  Distance distance;
  double squares = 0;
  for (int64_t i = 0; i < values; ++i) {
    const double change = static_cast<double>(image[i]) - original[i];
    distance.l0 += change != 0 ? 1 : 0;
    squares += change * change;
    distance.linf = std::max(distance.linf, std::abs(change));
  }
  distance.l2 = std::sqrt(squares);
  return distance;
}

}  // namespace

std::vector<Verdict> MeasureVerdicts(const at::Tensor& logits,
                                     const at::Tensor& labels, int64_t count) {
  const at::Tensor rows = logits.cpu().contiguous();
  const at::Tensor label = labels.cpu().contiguous();
  const int64_t classes = rows.size(1);
  std::vector<Verdict> verdicts;
  for (int64_t i = 0; i < count; ++i) {
    verdicts.push_back(VerdictOf(rows.data_ptr<float>() + i * classes, classes,
                                 label.data_ptr<int64_t>()[i]));
  }
  return verdicts;
}

int64_t RankOf(const at::Tensor& logits, int64_t label) {
  const at::Tensor row = logits.contiguous();
  const float* values = row.data_ptr<float>();
  int64_t rank = 0;
  for (int64_t k = 0; k < row.numel(); ++k) {
    if (values[k] > values[label] ||
        (values[k] == values[label] && k < label)) {
      ++rank;
    }
  }
  return rank;
}

std::vector<Distance> MeasureDistances(const at::Tensor& images,
                                       const at::Tensor& originals,
                                       int64_t count) {
  // Rows [N, values]; both tensors have the values of an image in one order.
  const at::Tensor changed = ValuesOf(images.cpu());
  const at::Tensor original = ValuesOf(originals.cpu());
  const int64_t values = original.size(1);
  std::vector<Distance> distances;
  for (int64_t i = 0; i < count; ++i) {
    distances.push_back(DistanceOf(changed.data_ptr<float>() + i * values,
                                   original.data_ptr<float>() + i * values,
                                   values));
  }
  return distances;
}

}  // namespace adv
