#ifndef ADV_ENGINE_ATTACKS_NOISE_H_
#define ADV_ENGINE_ATTACKS_NOISE_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// Random noise of an attack's size, the baseline that any attack must beat: the
// original plus noise (see NoiseConfig), moved into ball and box. A repeat is
// one step and one forward. An image that one repeat has fooled is not drawn
// again. If all repeats fail, the one with the largest loss counts. No network
// influences the noise, so a source of its own makes no difference.
std::unique_ptr<const Attack> MakeNoise(const NoiseConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_NOISE_H_
