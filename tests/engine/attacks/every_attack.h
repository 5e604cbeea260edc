#ifndef ADV_TESTS_ENGINE_ATTACKS_EVERY_ATTACK_H_
#define ADV_TESTS_ENGINE_ATTACKS_EVERY_ATTACK_H_

#include <ostream>
#include <string>
#include <vector>

#include "engine/attacks/attack_config.h"
#include "engine/attacks/threat_model.h"

namespace adv {

// An attack in one norm.
struct AttackCase {
  std::string name;
  AttackConfig config;
  Norm norm = Norm::kLinf;
  bool random = false;  // another seed gives other images
  bool blind = false;   // looks at no model, so it need not fool
};

inline std::ostream& operator<<(std::ostream& out, const AttackCase& one) {
  return out << one.name;
}

// What every attack promises is tested on each of these (metamorphic_test.cc):
// one line for each way that an attack can go, with few steps.
inline std::vector<AttackCase> EveryAttack() {
  using Loss = ApgdConfig::Loss;
  const PgdConfig still_pgd{{}, 8, 1, false};
  const PgdConfig pgd{{}, 6, 2, true};
  const ApgdConfig apgd{Loss::kCrossEntropy, 20, 2};
  const ApgdConfig apgd_dlr{Loss::kDlr, 20, 1};
  const ApgdConfig apgd_t{Loss::kTargetedDlr, 12, 1, 3};
  const NoiseConfig uniform{NoiseConfig::Distribution::kUniform, 3};
  const NoiseConfig gaussian{NoiseConfig::Distribution::kGaussian, 2};
  const AutoAttackConfig ensemble{{{uniform}, {pgd}, {apgd}}};
  return {
      {"fgsm", FgsmConfig{}},
      {"fgsm_thesis", FgsmConfig{true}},
      {"igsm", IgsmConfig{}},
      {"igsm_long_steps", IgsmConfig{0.05, 7}},
      {"iterative_least_likely", IterativeLeastLikelyConfig{0.02, 6}},
      {"mi_fgsm", MiFgsmConfig{}},
      {"pgd_still", still_pgd},
      {"pgd_still_l2", still_pgd, Norm::kL2},
      {"pgd", pgd, Norm::kLinf, true},
      {"pgd_l2", pgd, Norm::kL2, true},
      {"apgd", apgd, Norm::kLinf, true},
      {"apgd_l2", apgd, Norm::kL2, true},
      {"apgd_dlr", apgd_dlr, Norm::kLinf, true},
      {"apgd_dlr_l2", apgd_dlr, Norm::kL2, true},
      {"apgd_t", apgd_t, Norm::kLinf, true},
      {"apgd_t_l2", apgd_t, Norm::kL2, true},
      {"noise", uniform, Norm::kLinf, true, true},
      {"noise_l2", uniform, Norm::kL2, true, true},
      {"noise_gaussian", gaussian, Norm::kLinf, true, true},
      {"noise_gaussian_l2", gaussian, Norm::kL2, true, true},
      {"auto_attack", ensemble, Norm::kLinf, true},
      {"auto_attack_l2", ensemble, Norm::kL2, true},
  };
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_EVERY_ATTACK_H_
