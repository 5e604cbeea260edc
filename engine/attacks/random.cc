#include "engine/attacks/random.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/attacks/philox.h"

namespace adv {
namespace {

template <typename Fill>
at::Tensor DrawValues(const RandomKey& key, const std::vector<int64_t>& samples,
                      int64_t values, Fill fill) {
  const at::Tensor drawn =
      at::empty({static_cast<int64_t>(samples.size()), values}, at::kFloat);
  float* row = drawn.data_ptr<float>();
  for (int64_t sample : samples) {
    RandomWords words(key, sample);
    fill(words, row, row + values);
    row += values;
  }
  return drawn;
}

}  // namespace

// Numbers of restarts fit 16 bits (kMaxRestarts), so a purpose and a restart
// share a word.
RandomWords::RandomWords(const RandomKey& key, int64_t sample)
    : key_{static_cast<uint32_t>(key.seed),
           static_cast<uint32_t>(key.seed >> 32)},
      counter_{0, key.step,
               static_cast<uint32_t>(key.purpose) << 16 | key.restart,
               static_cast<uint32_t>(sample)} {}

uint32_t RandomWords::Next() {
  // Blocks are computed when the first of their words is needed.
  if (used_ == block_.size()) {
    block_ = Philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

int64_t RandomWords::Below(int64_t count) {
  // The upper half of the product. It needs one word for each draw, where exact
  // numbers would need another one now and then.
  return static_cast<int64_t>(
      static_cast<uint64_t>(Next()) * static_cast<uint64_t>(count) >> 32);
}

at::Tensor DrawUniform(const RandomKey& key,
                       const std::vector<int64_t>& samples, int64_t values) {
  return DrawValues(
      key, samples, values, [](RandomWords& words, float* begin, float* end) {
        for (float* value = begin; value != end; ++value) {
          // 24 bits fit float32's significand, so nothing is rounded up
          // to 1.
          *value = static_cast<float>(words.Next() >> 8) * 0x1p-24f;
        }
      });
}

at::Tensor DrawNormal(const RandomKey& key, const std::vector<int64_t>& samples,
                      int64_t values) {
  return DrawValues(
      key, samples, values, [](RandomWords& words, float* begin, float* end) {
        constexpr double kTwoPi = 6.283185307179586;
        for (float* value = begin; value != end;) {
          // u is in (0, 1], so that the logarithm is finite.
          const double u = (static_cast<double>(words.Next()) + 1) * 0x1p-32;
          const double angle =
              kTwoPi * static_cast<double>(words.Next()) * 0x1p-32;
          const double radius = std::sqrt(-2 * std::log(u));
          *value++ = static_cast<float>(radius * std::cos(angle));
          // An odd count leaves the last sine unused.
          if (value != end) {
            *value++ = static_cast<float>(radius * std::sin(angle));
          }
        }
      });
}

at::Tensor DrawInUnitBall(const RandomKey& key,
                          const std::vector<int64_t>& samples, int64_t values) {
  const at::Tensor drawn = DrawNormal(key, samples, values);
  // A purpose of its own keeps lengths independent of directions.
  RandomKey length_key = key;
  length_key.purpose = RandomPurpose::kLength;
  const at::Tensor lengths = DrawUniform(length_key, samples, 1);
  const float* length = lengths.data_ptr<float>();
  // Plain loops, because ATen rounds the vectorised part of a tensor otherwise
  // than the rest, and a row must not depend on its neighbours.
  for (int64_t i = 0; i < drawn.size(0); ++i) {
    float* row = drawn.data_ptr<float>() + i * values;
    double squares = 0;
    for (int64_t j = 0; j < values; ++j) {
      squares += static_cast<double>(row[j]) * row[j];
    }
    const double scale =
        std::pow(static_cast<double>(length[i]),
                 1 / static_cast<double>(values)) /
        std::sqrt(std::max(squares, std::numeric_limits<double>::min()));
    for (int64_t j = 0; j < values; ++j) {
      row[j] = static_cast<float>(row[j] * scale);
    }
  }
  return drawn;
}

}  // namespace adv
