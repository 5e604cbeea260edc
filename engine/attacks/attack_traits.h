#ifndef ADV_ENGINE_ATTACKS_ATTACK_TRAITS_H_
#define ADV_ENGINE_ATTACKS_ATTACK_TRAITS_H_

#include <cstdint>

#include "engine/attacks/attack_config.h"
#include "engine/attacks/norm.h"
#include "engine/nn/access.h"

namespace adv {

// What an attack is, whatever it is run on.
struct AttackTraits {
  bool linf = true, l2 = true;  // the norms that it has
  // The least that it must be told of the network that it asks.
  Access access = Access::kGradients;
  // Whether it looks for the smallest change that fools, whatever the epsilon;
  // the others look for the worst image within epsilon.
  bool minimises = false;
  // Whether what it does is the same at every epsilon, so that one run for
  // several gives what a run for each would.
  bool ignores_epsilon = false;
  // Whether it works at each epsilon apart, so that a run for each costs and
  // gives what one run for several does; but for a transfer, which shares what
  // the source says of the clean images.
  bool epsilons_apart = false;
  // Whether it can lead to a class that the caller chose.
  bool takes_targets = true;
  // The fewest classes that its loss is defined for.
  int64_t min_classes = 2;
  // Whether on its way to a target it starts at AttackBatch::examples.
  bool starts_at_examples = false;
  // Whether results may leave the box: the thesis mode of FGSM alone.
  bool may_leave_box = false;

  bool HasNorm(Norm norm) const { return norm == Norm::kLinf ? linf : l2; }
};

// An AutoAttack has the norms that all its members have, takes targets if all
// do, starts at examples or leaves the box if one does, and needs the classes
// and the access of the member that needs most. It looks for the worst image.
AttackTraits TraitsOf(const AttackConfig& config);

// What is left of an attack where a network gives `access` alone: of the
// standard AutoAttack the members that need no more (Square, with scores), if
// there are any. Any other attack as it is.
AttackConfig Within(Access access, const AttackConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_TRAITS_H_
