#ifndef ADV_SERVER_CODEC_CODEC_ATTACK_H_
#define ADV_SERVER_CODEC_CODEC_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/attack.pb.h"
#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"
#include "engine/attacks/threat_model.h"
#include "engine/nn/network.h"
#include "engine/nn/precision.h"
#include "server/codec/codec_attack_config.h"
#include "server/limits.h"
#include "server/wire/errors.h"

namespace adv {

// Attacks and what they may do, between the wire and the engine. `field` is
// the message's path in the request; violations name its parts. What a
// function returns after it recorded a violation must not be used.

// The norm if each of `attacks` has it; if it is not given, the first of L-inf
// and L2 that all of them have.
Norm DecodeNorm(v1::Norm norm, absl::string_view field,
                const std::vector<AttackConfig>& attacks,
                FieldViolations* violations);

v1::Norm EncodeNorm(Norm norm);

// In pixel units.
double DecodeEpsilon(const v1::Epsilon& epsilon, absl::string_view field,
                     Norm norm, int64_t values_per_image,
                     FieldViolations* violations);

// What cannot be together with an eight_bit that is true.
void CheckEightBit(const std::vector<AttackConfig>& attacks, Norm norm,
                   const std::vector<double>& epsilons, absl::string_view field,
                   FieldViolations* violations);

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

// The network that an attack asks: the target itself but for transfer.
struct AttackSource {
  const char* field;  // that names it in the request
  Access access;      // what it gives
};

// Records a goal that the attack does not have, a model with too few classes
// for its loss, and a source that gives less than it needs, with the attacks
// that would do.
void CheckAttack(const AttackConfig& config, bool targeted, int64_t classes,
                 const AttackSource& source, absl::string_view goal_field,
                 FieldViolations* violations);

SuccessRule DecodeSuccess(v1::SuccessRule rule, absl::string_view field,
                          bool transfer, FieldViolations* violations);

// `transfer` means that the source is another model than `network`'s.
Precision DecodePrecision(v1::Precision precision, absl::string_view field,
                          const Network& network, bool transfer,
                          FieldViolations* violations);

v1::SuccessRule EncodeSuccess(SuccessRule rule);
v1::Precision EncodePrecision(Precision precision);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_ATTACK_H_
