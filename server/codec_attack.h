#ifndef ADV_SERVER_CODEC_ATTACK_H_
#define ADV_SERVER_CODEC_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adv/v1/attack.pb.h"
#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"
#include "engine/attacks/threat_model.h"
#include "server/errors.h"
#include "server/limits.h"

namespace adv {

// Attacks and what they may do, between the wire and the engine. `field` is
// the message's path in the request; violations name its parts. What a
// function returns after it recorded a violation must not be used.

// Short names of the attacks that this server can run: "fgsm", "igsm".
std::vector<std::string> ImplementedAttacks();

// A family that is not implemented makes the whole request UNIMPLEMENTED.
AttackConfig DecodeAttack(const v1::Attack& attack, absl::string_view field,
                          const Limits& limits, FieldViolations* violations);

// Records an attack whose steps follow from an epsilon and are more than
// `limits` allow. Of epsilons that are wrong themselves nothing is said.
void CheckSteps(const AttackConfig& config, absl::string_view field,
                const std::vector<double>& epsilons, const Limits& limits,
                FieldViolations* violations);

// Every parameter set, sizes in pixel units. Steps that follow from epsilon
// are filled in if `epsilon` is given, and left out otherwise.
v1::Attack EncodeAttack(const AttackConfig& config,
                        std::optional<double> epsilon);

// The norm if each of `attacks` has it; L-inf if it is not given.
Norm DecodeNorm(v1::Norm norm, absl::string_view field,
                const std::vector<AttackConfig>& attacks,
                FieldViolations* violations);

v1::Norm EncodeNorm(Norm norm);

// In pixel units.
double DecodeEpsilon(const v1::Epsilon& epsilon, absl::string_view field,
                     Norm norm, int64_t values_per_image,
                     FieldViolations* violations);

v1::Epsilon EncodeEpsilon(double pixels);

// TARGET_RULE_PER_IMAGE is a violation here: see DecodeTargets.
Goal DecodeGoal(const v1::Goal& goal, absl::string_view field, int64_t classes,
                FieldViolations* violations);

// Every field set.
v1::Goal EncodeGoal(const Goal& goal);

bool IsPerImage(const v1::Goal& goal);

// The targets of TARGET_RULE_PER_IMAGE, [count] int64.
at::Tensor DecodeTargets(const v1::Goal& goal, absl::string_view field,
                         int64_t count, int64_t classes,
                         FieldViolations* violations);

// Records each image whose target is its label. Either may be undefined.
void CheckTargets(const at::Tensor& targets, const at::Tensor& labels,
                  absl::string_view field, FieldViolations* violations);

SuccessRule DecodeSuccess(v1::SuccessRule rule, absl::string_view field,
                          bool transfer, FieldViolations* violations);

v1::SuccessRule EncodeSuccess(SuccessRule rule);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_ATTACK_H_
