#include "client/attack_flags.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/epsilon.h"

namespace adv {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The attack's own message: the member of the oneof that is set.
const FieldDescriptor* Kind(const v1::Attack& attack) {
  return attack.GetReflection()->GetOneofFieldDescriptor(
      attack, v1::Attack::descriptor()->FindOneofByName("kind"));
}

Message* MutableKind(v1::Attack* attack) {
  return attack->GetReflection()->MutableMessage(attack, Kind(*attack));
}

const FieldDescriptor* Parameter(const Message& kind, const char* name) {
  return kind.GetDescriptor()->FindFieldByName(name);
}

std::string Title(const std::string& name) {
  for (const auto& known : KnownAttacks()) {
    if (known.name == name) return known.title;
  }
  return name;
}

}  // namespace

const std::vector<AttackDescription>& KnownAttacks() {
  static const auto* const attacks = new std::vector<AttackDescription>{
      {"fgsm", "FGSM", "fast gradient sign method, arXiv 1412.6572"},
      {"igsm", "IGSM", "iterative gradient sign method, arXiv 1607.02533"},
      {"iterative-least-likely", "ILL",
       "toward the least likely class, arXiv 1607.02533"},
      {"pgd", "PGD", "projected gradient descent, arXiv 1706.06083"},
      {"mi-fgsm", "MI-FGSM", "momentum iterative FGSM, arXiv 1710.06081"},
      {"apgd", "APGD", "automatic step size PGD, arXiv 2003.01690"},
      {"deep-fool", "DeepFool", "nearest linear boundary, arXiv 1511.04599"},
      {"carlini-wagner", "CW", "smallest L2 change, arXiv 1608.04644"},
      {"fab", "FAB", "fast adaptive boundary, arXiv 1907.02044"},
      {"square", "Square", "random squares, scores alone, arXiv 1912.00049"},
      {"auto-attack", "AutoAttack", "the ensemble of arXiv 2003.01690"},
      {"hop-skip-jump", "HopSkipJump", "decisions alone, arXiv 1904.02144"},
      {"boundary", "Boundary", "decisions alone, arXiv 1712.04248"},
      {"noise", "Noise", "random noise, the baseline"}};
  return *attacks;
}

absl::StatusOr<v1::Attack> ParseAttack(const std::string& name) {
  const std::string field_name = absl::StrReplaceAll(name, {{"-", "_"}});
  const FieldDescriptor* field =
      v1::Attack::descriptor()->FindFieldByName(field_name);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' is not an attack; known are ",
        absl::StrJoin(KnownAttacks(), ", ",
                      [](std::string* out, const AttackDescription& known) {
                        absl::StrAppend(out, known.name);
                      })));
  }
  v1::Attack attack;
  attack.GetReflection()->MutableMessage(&attack, field);
  return attack;
}

absl::Status ApplySteps(const StepFlags& flags,
                        std::vector<v1::Attack>* attacks) {
  bool steps_used = false, size_used = false;
  for (v1::Attack& attack : *attacks) {
    Message* kind = MutableKind(&attack);
    const FieldDescriptor* steps = Parameter(*kind, "steps");
    if (flags.steps && steps != nullptr) {
      kind->GetReflection()->SetUInt32(kind, steps, *flags.steps);
      steps_used = true;
    }
    const FieldDescriptor* size = Parameter(*kind, "step_size");
    if (flags.step_size && size != nullptr) {
      kind->GetReflection()
          ->MutableMessage(kind, size)
          ->CopyFrom(*flags.step_size);
      size_used = true;
    }
  }
  const auto unused = [&](const char* flag) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": ",
        absl::StrJoin(*attacks, " and ",
                      [](std::string* out, const v1::Attack& attack) {
                        absl::StrAppend(out, AttackTitle(attack));
                      }),
        attacks->size() == 1 ? " has" : " have",
        " no such parameter; it belongs to iterative attacks like igsm"));
  };
  if (flags.steps && !steps_used) return unused("--steps");
  if (flags.step_size && !size_used) return unused("--step-size");
  return absl::OkStatus();
}

std::string AttackName(const v1::Attack& attack) {
  const FieldDescriptor* kind = Kind(attack);
  if (kind == nullptr) return "";
  return absl::StrReplaceAll(kind->name(), {{"_", "-"}});
}

std::string AttackTitle(const v1::Attack& attack) {
  return Title(AttackName(attack));
}

std::string AttackParameters(const v1::Attack& attack) {
  if (attack.fgsm().thesis_mode()) return "thesis mode";
  const FieldDescriptor* kind_field = Kind(attack);
  if (kind_field == nullptr) return "";
  const Message& kind = attack.GetReflection()->GetMessage(attack, kind_field);
  std::string text;
  const FieldDescriptor* steps = Parameter(kind, "steps");
  if (steps != nullptr && kind.GetReflection()->HasField(kind, steps)) {
    const auto count = kind.GetReflection()->GetUInt32(kind, steps);
    absl::StrAppend(&text, count, count == 1 ? " step" : " steps");
  }
  const FieldDescriptor* size = Parameter(kind, "step_size");
  if (size != nullptr && kind.GetReflection()->HasField(kind, size)) {
    v1::Epsilon epsilon;
    epsilon.CopyFrom(kind.GetReflection()->GetMessage(kind, size));
    absl::StrAppend(&text, text.empty() ? "steps" : "", " of ",
                    EpsilonText(epsilon));
  }
  return text;
}

}  // namespace adv
