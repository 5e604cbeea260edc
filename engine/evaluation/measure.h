#ifndef ADV_ENGINE_EVALUATION_MEASURE_H_
#define ADV_ENGINE_EVALUATION_MEASURE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace adv {

// A network's verdict on one image.
struct Verdict {
  int64_t prediction = 0;       // the first of the largest logits
  double confidence = 0;        // softmax probability of `prediction`
  double label_confidence = 0;  // softmax probability of the label
};

// The distance of one image from its original.
struct Distance {
  int64_t l0 = 0;  // values that differ
  double l2 = 0;
  double linf = 0;
};

// The numbers of the first `count` images of a tile. They are computed in
// double, one image at a time and in order, so that an image's numbers depend
// on nothing else.
//
// `logits` [N, classes] float32, `labels` [N] int64, N >= count.
std::vector<Verdict> MeasureVerdicts(const at::Tensor& logits,
                                     const at::Tensor& labels, int64_t count);

// The number of classes that come before `label` in the order of `logits`
// [classes] float32, on the CPU: those with larger logits, and those with an
// equal logit and a smaller index.
int64_t RankOf(const at::Tensor& logits, int64_t label);

// Both [N, channels, height, width] float32, N >= count.
std::vector<Distance> MeasureDistances(const at::Tensor& images,
                                       const at::Tensor& originals,
                                       int64_t count);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_MEASURE_H_
