#ifndef ADV_ENGINE_ATTACKS_RANDOM_H_
#define ADV_ENGINE_ATTACKS_RANDOM_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace adv {

// The purpose of a draw. Streams of different purposes are independent.
enum class RandomPurpose : uint32_t {
  kStart = 1,     // a random start in the ball
  kStep = 2,      // within a step
  kProposal = 3,  // a candidate of a score- or decision-based attack
  kLength = 4,    // DrawInUnitBall's lengths
};

// Names one draw for one image. The draw depends on nothing else: not on the
// batch, the order, earlier draws or the process.
struct RandomKey {
  uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::kStart;
  uint32_t restart = 0;
  uint32_t step = 0;
};

// The words of 32 random bits of one draw for one image, from Philox (philox.h)
// with the counter (block, step, purpose and restart, sample) and the seed as
// key. `sample` is the image's index in its data set.
class RandomWords {
 public:
  RandomWords(const RandomKey& key, int64_t sample);

  uint32_t Next();
  // Uniform in [0, count), to within count / 2^32; `count` in [1, 2^32).
  int64_t Below(int64_t count);
  bool Flip() { return Next() >> 31 != 0; }

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  size_t used_ = 4;
};

// [M, values] float32 on the CPU: row i is made of RandomWords(key,
// samples[i]).
//   uniform in [0, 1), 24 bits each
at::Tensor DrawUniform(const RandomKey& key,
                       const std::vector<int64_t>& samples, int64_t values);
//   standard normal, by Box and Muller's transform in double precision
at::Tensor DrawNormal(const RandomKey& key, const std::vector<int64_t>& samples,
                      int64_t values);
//   uniform in the volume of the unit L2 ball: a normal direction, and the
//   length u^(1 / values)
at::Tensor DrawInUnitBall(const RandomKey& key,
                          const std::vector<int64_t>& samples, int64_t values);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_RANDOM_H_
