#ifndef ADV_ENGINE_ATTACKS_PHILOX_H_
#define ADV_ENGINE_ATTACKS_PHILOX_H_

#include <array>
#include <cstdint>

namespace adv {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011): a pure function from key and counter to 128 random bits. A draw for
// an image then depends on its key alone, never on earlier draws.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter,
                               std::array<uint32_t, 2> key);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_PHILOX_H_
