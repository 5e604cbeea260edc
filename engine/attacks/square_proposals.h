#ifndef ADV_ENGINE_ATTACKS_SQUARE_PROPOSALS_H_
#define ADV_ENGINE_ATTACKS_SQUARE_PROPOSALS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "engine/attacks/random.h"
#include "engine/attacks/threat_model.h"

namespace adv {

// The candidates of the Square attack (arXiv 1912.00049, algorithms 2 and 3)
// for M images. Each image is a row of `images()`, which a candidate changes in
// place and TakeBack restores. An image's candidates depend on the image and
// its own draws alone. Not thread-safe.
class SquareProposals {
 public:
  virtual ~SquareProposals() = default;

  // [M, channels, height, width] float32 on the CPU, channels-last: the images
  // kept so far, or their candidates. The originals at first.
  const at::Tensor& images() const { return images_; }

  // Writes the first candidate: vertical stripes (L-inf) or a grid of bumps
  // (L2).
  virtual void Start(int64_t row, RandomWords words) = 0;
  // Writes a candidate that differs from the image in one square (L2: or two)
  // of about `share` of the pixels, its corner drawn over all positions.
  virtual void Propose(int64_t row, double share, RandomWords words) = 0;
  // Undoes the last Propose of `row`.
  virtual void TakeBack(int64_t row) = 0;

 protected:
  explicit SquareProposals(const at::Tensor& originals);

  // Row is the values of one image, PixelAt the index where a pixel's channels
  // begin in them.
  float* Row(int64_t row) const { return Row(images_, row); }
  float* Row(const at::Tensor& images, int64_t row) const;
  int64_t PixelAt(int64_t y, int64_t x) const {
    return (y * width_ + x) * channels_;
  }

  const int64_t channels_, height_, width_;
  const at::Tensor images_;
};

// `originals` [M, channels, height, width] float32 in the box. Candidates lie
// in the ball of `threat_model` and in the box. L-inf candidates lie on its
// surface: every pixel is at one of the two ends of what it may become, and
// with `eight_bit` these ends are bytes. L2 candidates are not rounded;
// Ball::Snap rounds what the network sees.
std::unique_ptr<SquareProposals> MakeSquareProposals(
    const at::Tensor& originals, const ThreatModel& threat_model,
    bool eight_bit);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_SQUARE_PROPOSALS_H_
