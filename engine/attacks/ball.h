#ifndef ADV_ENGINE_ATTACKS_BALL_H_
#define ADV_ENGINE_ATTACKS_BALL_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <vector>

#include "engine/attacks/threat_model.h"

namespace adv {

// ToBytes gives the bytes [0, 255] nearest to `images`, as float32. FromBytes
// gives exactly float32(byte) / 255 on every device, which is how a data set's
// pixels are made.
at::Tensor ToBytes(const at::Tensor& images);
at::Tensor FromBytes(const at::Tensor& bytes);

// The number of byte levels by which a pixel may change in 8-bit mode:
// floor(255 epsilon), with a little slack for rounded epsilons.
int64_t LevelsWithin(double epsilon);

// The points that the images of one batch may become: those within an image's
// epsilon of its original and inside the box [0, 1].
class Ball {
 public:
  struct Options {
    bool box = true;         // false: the ball alone
    bool eight_bit = false;  // results on the lattice of multiples of 1/255
  };

  // `originals` [N, channels, height, width] float32 in the box, and on the
  // lattice if `eight_bit`; they are shared, not copied. `epsilons` [N] double,
  // each within the range of a ThreatModel's.
  Ball(const at::Tensor& originals, Norm norm, const at::Tensor& epsilons,
       const Options& options);
  // All images at one epsilon.
  Ball(const at::Tensor& originals, const ThreatModel& threat_model,
       const Options& options);

  // The ball of the images at the positions `chosen` [K] int64 alone.
  Ball Select(const at::Tensor& chosen) const;
  // The ball of these images followed by those of `other`, which has the same
  // norm and options.
  Ball Join(const Ball& other) const;

  // Moves `images` in place to their nearest points in the ball. L2 moves them
  // into the ball first and then into the box, which keeps them in the ball.
  // Every value must be finite.
  void Project(at::Tensor& images) const;

  // Moves each image in place by its step size of `step_sizes` [N] double along
  // `ascent`, and then into the ball and the box. L-inf moves along the signs
  // of `ascent`, L2 along `ascent` as a unit vector, and a zero moves nothing.
  // All must be finite.
  void Climb(const at::Tensor& ascent, const at::Tensor& step_sizes,
             at::Tensor& images) const;

  // 8-bit: returns a copy of `images`, which lie in the ball, moved to lattice
  // points inside it: L-inf to the nearest one, L2 to the next one toward the
  // original. Otherwise returns `images` themselves.
  at::Tensor Snap(const at::Tensor& images) const;

  // INTERNAL, with the reason, if one of `images` is not finite, outside the
  // box or the L-inf ball by more than 1e-6, outside the L2 ball by more than
  // 1e-5, or in 8-bit mode off the lattice.
  absl::Status Check(const at::Tensor& images) const;

 private:
  // All tensors that have a row for each image.
  std::vector<at::Tensor*> parts();

  Norm norm_;
  Options options_;
  at::Tensor originals_;
  at::Tensor epsilons_;       // [N] double; L-inf, 8-bit: whole levels over 255
  at::Tensor lower_, upper_;  // L-inf: ball and box in one; else undefined
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_BALL_H_
