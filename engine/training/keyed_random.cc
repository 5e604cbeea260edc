#include "engine/training/keyed_random.h"

#include <utility>

namespace adv {

std::mt19937_64 KeyedGenerator(RandomStream stream, uint64_t seed,
                               uint64_t counter) {
  // The standard fixes the results of seed_seq and mt19937_64, unlike those of
  // its distributions.
  // A seed_seq takes numbers of 32 bits, so those of 64 bits go in as halves.
  std::seed_seq key{static_cast<uint32_t>(stream), static_cast<uint32_t>(seed),
                    static_cast<uint32_t>(seed >> 32),
                    static_cast<uint32_t>(counter),
                    static_cast<uint32_t>(counter >> 32)};
  return std::mt19937_64(key);
}

uint64_t UniformBelow(uint64_t bound, std::mt19937_64& generator) {
  // The largest multiple of `bound` that fits. Numbers from there on would
  // favour the small remainders, so they are drawn again.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = generator();
  while (value >= limit) value = generator();
  return value % bound;
}

void Shuffle(std::vector<int64_t>& values, std::mt19937_64& generator) {
  for (size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[UniformBelow(i, generator)]);
  }
}

}  // namespace adv
