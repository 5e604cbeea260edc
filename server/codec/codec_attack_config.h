#ifndef ADV_SERVER_CODEC_CODEC_ATTACK_CONFIG_H_
#define ADV_SERVER_CODEC_CODEC_ATTACK_CONFIG_H_

#include <absl/strings/string_view.h>
#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <vector>

#include "adv/v1/attack.pb.h"
#include "engine/attacks/attack_config.h"
#include "server/limits.h"
#include "server/wire/errors.h"

namespace adv {

// Attacks and their parameters, between the wire and the engine. `field` is
// the message's path in the request; violations name its parts. What a
// function returns after it recorded a violation must not be used.

// Short names of the attacks that this server can run: "fgsm", "igsm", ...
std::vector<std::string> ImplementedAttacks();

AttackConfig DecodeAttack(const v1::Attack& attack, absl::string_view field,
                          const Limits& limits, FieldViolations* violations);

// Records an attack whose steps follow from an epsilon and are more than
// `limits` allow. Of epsilons that are wrong themselves nothing is said.
void CheckSteps(const AttackConfig& config, absl::string_view field,
                const std::vector<double>& epsilons, const Limits& limits,
                FieldViolations* violations);

// Every parameter set, sizes in pixel units; an AutoAttack lists its members.
// Steps and step sizes that follow from epsilon are filled in if `epsilon` is
// given, and left out otherwise.
v1::Attack EncodeAttack(const AttackConfig& config,
                        std::optional<double> epsilon);

// A parameter and its field in the attack's message have one name, and so have
// an enumerator and the proto's, behind its prefix: "targeted_dlr" is
// APGD_LOSS_TARGETED_DLR. A test holds the tree to it.
const google::protobuf::FieldDescriptor& FieldOf(
    const google::protobuf::Descriptor& message,
    const parameter::About& parameter);
// The proto's number; 0 if there is none of this name.
int EnumeratorOf(const google::protobuf::FieldDescriptor& field,
                 absl::string_view name);

// Where sizes are: more than 0 or, if `may_be_zero`, at least 0, and at most
// `max`, in pixel units.
struct SizeRange {
  double max;
  bool may_be_zero;
};

// In pixel units.
double DecodeSize(const v1::Epsilon& size, absl::string_view field,
                  SizeRange range, FieldViolations* violations);
v1::Epsilon EncodeSize(double pixels);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_ATTACK_CONFIG_H_
