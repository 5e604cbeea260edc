#include "engine/attacks/attack_config.h"

#include <gtest/gtest.h>

#include <limits>
#include <variant>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/make_attack.h"

namespace adv {
namespace {

TEST(AttackConfig, Names) {
  EXPECT_EQ(AttackName(FgsmConfig{}), "fgsm");
  EXPECT_EQ(AttackName(IgsmConfig{}), "igsm");
}

TEST(AttackConfig, EveryAttackIsFoundByItsName) {
  const std::vector<AttackConfig> all = AllAttacks();
  ASSERT_EQ(all.size(), std::variant_size_v<AttackConfig>);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].index(), i);
    EXPECT_EQ(DefaultConfig(AttackName(all[i])).index(), i);
    EXPECT_TRUE(Validate(all[i]).ok()) << AttackName(all[i]);
  }
}

TEST(AttackConfig, KurakinsSteps) {
  const IgsmConfig igsm;
  EXPECT_EQ(IgsmSteps(igsm, 0), 1);
  EXPECT_EQ(IgsmSteps(igsm, 0.5 / 255), 1);
  EXPECT_EQ(IgsmSteps(igsm, 2.0 / 255), 3);    // 2.5
  EXPECT_EQ(IgsmSteps(igsm, 4.0 / 255), 5);    // 5
  EXPECT_EQ(IgsmSteps(igsm, 8.0 / 255), 10);   // 10
  EXPECT_EQ(IgsmSteps(igsm, 16.0 / 255), 20);  // both rules
  EXPECT_EQ(IgsmSteps(igsm, 32.0 / 255), 36);  // e + 4
  EXPECT_EQ(IgsmSteps(igsm, 1), 259);
  EXPECT_EQ(IgsmSteps(IgsmConfig{0.1, 7}, 1), 7);
}

TEST(AttackConfig, EndsOfRangesAreOpenOrClosedAsDeclared) {
  CarliniWagnerConfig config;
  config.confidence = 0;
  EXPECT_TRUE(Validate(config).ok());
  config.learning_rate = 0;
  config.initial_constant = 2e10;
  config.confidence = -1;
  EXPECT_EQ(Validate(config),
            absl::InvalidArgumentError(
                "learning_rate: 0 is outside (0, 1000]; initial_constant: "
                "2e+10 is outside (0, 1e+10]; confidence: -1 is outside [0, "
                "1e+06]"));
  EXPECT_TRUE(Validate(PgdConfig{}).ok());  // what is unset is in no range
  EXPECT_FALSE(Validate(PgdConfig{0}).ok());
}

TEST(AttackConfig, EachViolationIsNamed) {
  EXPECT_TRUE(Validate(FgsmConfig{}).ok());
  EXPECT_TRUE(Validate(IgsmConfig{1, kMaxSteps}).ok());
  EXPECT_EQ(Validate(IgsmConfig{0, 1}),
            absl::InvalidArgumentError("step_size: 0 is outside (0, 1]"));
  EXPECT_EQ(Validate(IgsmConfig{1.25, 1}),
            absl::InvalidArgumentError("step_size: 1.25 is outside (0, 1]"));
  EXPECT_EQ(Validate(IgsmConfig{0.5, 0}),
            absl::InvalidArgumentError("steps: 0 is outside [1, 10000]"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const absl::Status both = absl::InvalidArgumentError(
      "step_size: nan is outside (0, 1]; steps: 10001 is outside [1, 10000]");
  EXPECT_EQ(Validate(IgsmConfig{nan, 10001}), both);
  EXPECT_EQ(MakeAttack(IgsmConfig{nan, 10001}).status(), both);
}

}  // namespace
}  // namespace adv
