#ifndef ADV_ENGINE_ATTACKS_NORM_H_
#define ADV_ENGINE_ATTACKS_NORM_H_

namespace adv {

// How the size of a perturbation is measured, over all pixels and channels.
enum class Norm { kLinf, kL2 };

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_NORM_H_
