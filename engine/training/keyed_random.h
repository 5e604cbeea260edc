#ifndef ADV_ENGINE_TRAINING_KEYED_RANDOM_H_
#define ADV_ENGINE_TRAINING_KEYED_RANDOM_H_

#include <cstdint>
#include <random>
#include <vector>

namespace adv {

// The purpose of a random stream. Streams of different purposes are
// independent.
enum class RandomStream : uint32_t {
  kValidationSplit = 1,
  kShuffle = 2,
  kFlips = 3,
  kStep = 4,  // dropout and adversarial starts
  kValidation = 5,
};

// A generator that depends on its key alone. All randomness of training is
// keyed by (seed, epoch or step), so that a resumed run needs no generator
// state and draws the same numbers on every machine.
std::mt19937_64 KeyedGenerator(RandomStream stream, uint64_t seed,
                               uint64_t counter);

// Uniform in [0, bound), bound >= 1.
uint64_t UniformBelow(uint64_t bound, std::mt19937_64& generator);

// Fisher-Yates. (std::shuffle differs between standard libraries.)
void Shuffle(std::vector<int64_t>& values, std::mt19937_64& generator);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_KEYED_RANDOM_H_
