#include "client/attacks/attack_flags.h"

#include <cmath>
#include <functional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/attacks/attack_docs.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"

namespace adv {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// One parameter that is being set. Each function but Wrong() and Set() reads
// `text` as one type and writes the value into `field` of `kind`.
struct Setting {
  const std::string& text;
  v1::Norm norm;
  const FieldDescriptor& field;
  const std::string& range;  // as documented; may be empty
  Message* kind;

  // The caller puts the names of parameter and attack before this message.
  absl::Status Wrong(const std::string& allowed) const {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not ", allowed));
  }

  // Only the type is checked here. The server checks the range, because its own
  // limits are part of it.
  absl::Status Count() const {
    std::uint32_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) {
      return Wrong(absl::StrCat("a count; allowed are whole numbers, ",
                                range.empty() ? "0 to 4294967295" : range));
    }
    kind->GetReflection()->SetUInt32(kind, &field, value);
    return absl::OkStatus();
  }

  // SimpleAtod accepts "inf" and "nan", which no parameter may be.
  absl::Status Number() const {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
      return Wrong(absl::StrCat("a number; allowed is ",
                                range.empty() ? "any, as 0.05" : range));
    }
    kind->GetReflection()->SetDouble(kind, &field, value);
    return absl::OkStatus();
  }

  absl::Status Bool() const {
    if (text != "true" && text != "false") {
      return Wrong("a choice; allowed are true and false");
    }
    kind->GetReflection()->SetBool(kind, &field, text == "true");
    return absl::OkStatus();
  }

  absl::Status Enum() const {
    const EnumDescriptor& values = *field.enum_type();
    for (int i = 0; i < values.value_count(); ++i) {
      const int number = values.value(i)->number();
      // 0 is UNSPECIFIED, which has no name that people type.
      if (number == 0 ||
          EnumName(values, number) != absl::StrReplaceAll(text, {{"_", "-"}}))
        continue;
      kind->GetReflection()->SetEnumValue(kind, &field, number);
      return absl::OkStatus();
    }
    return Wrong(absl::StrCat("a value; allowed are ",
                              absl::StrJoin(EnumNames(values), ", ")));
  }

  // All sizes among the parameters are sizes of steps, so 0 is refused.
  absl::Status Size() const {
    const auto size = ParseStepSize(text, norm);
    if (!size.ok()) return size.status();
    kind->GetReflection()->MutableMessage(kind, &field)->CopyFrom(*size);
    return absl::OkStatus();
  }

  // Members are joined by '+', because commas separate attacks and colons
  // separate parameters. A member has no parameters but those of its alias.
  absl::Status Members() const {
    for (const auto piece : absl::StrSplit(text, '+')) {
      const auto member =
          FindAttack(std::string(absl::StripAsciiWhitespace(piece)));
      if (!member.ok()) return member.status();
      if (member->has_auto_attack()) {
        return Wrong("a list of members: auto-attack cannot be one of them");
      }
      kind->GetReflection()->AddMessage(kind, &field)->CopyFrom(*member);
    }
    return absl::OkStatus();
  }

  absl::Status Set() const {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return Count();
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return Number();
      case FieldDescriptor::CPPTYPE_BOOL:
        return Bool();
      case FieldDescriptor::CPPTYPE_ENUM:
        return Enum();
      // Only messages are left: the members of an AutoAttack, or one size.
      default:
        return field.is_repeated() ? Members() : Size();
    }
  }
};

// The range as errors tell it; empty if the attack or the parameter is not
// documented, or if the type says it all.
std::string DocumentedRange(const v1::Attack& attack,
                            const FieldDescriptor& field) {
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  if (docs == nullptr) return "";
  for (const ParameterDocs& one : docs->parameters) {
    if (one.name == ParameterName(field)) return one.range;
  }
  return "";
}

// Sets a parameter from what was typed; dashes and underscores are alike.
// `norm` says how large a size may be. Errors name the parameter, and what the
// attack has or what is allowed.
absl::Status SetParameter(const std::string& name, const std::string& value,
                          v1::Norm norm, v1::Attack* attack) {
  Message* kind =
      v1::Attack::GetReflection()->MutableMessage(attack, KindField(*attack));
  const Descriptor& type = *kind->GetDescriptor();
  // Field names in the protocol have underscores.
  const FieldDescriptor* field =
      type.FindFieldByName(absl::StrReplaceAll(name, {{"-", "_"}}));
  if (field == nullptr) {
    std::vector<std::string> names;
    names.reserve(type.field_count());
    for (int i = 0; i < type.field_count(); ++i) {
      names.push_back(ParameterName(*type.field(i)));
    }
    return absl::InvalidArgumentError(
        absl::StrCat(AttackName(*attack), " has no parameter '", name,
                     "'; it has ", absl::StrJoin(names, ", ")));
  }
  const std::string range = DocumentedRange(*attack, *field);
  absl::Status status = Setting{value, norm, *field, range, kind}.Set();
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(ParameterName(*field), " of ",
                                                 AttackName(*attack), ": ",
                                                 status.message()));
}

// Sets `name` on the attacks that have it, unless they have a value already.
// An error if there are none.
absl::Status ApplyToAll(
    const char* flag, const char* name,
    const std::function<void(Message*, const FieldDescriptor*)>& set,
    std::vector<v1::Attack>* attacks) {
  bool used = false, has_own = false;
  for (v1::Attack& attack : *attacks) {
    Message* kind =
        v1::Attack::GetReflection()->MutableMessage(&attack, KindField(attack));
    const FieldDescriptor* field = kind->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) continue;
    // A value that was given with the attack wins over the flag.
    if (kind->GetReflection()->HasField(*kind, field)) {
      has_own = true;
      continue;
    }
    set(kind, field);
    used = true;
  }
  // One attack that takes the flag is enough, so that --steps may stand beside
  // --attack=igsm,noise.
  if (used) return absl::OkStatus();
  if (has_own) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": --attack sets it already"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      flag, ": ",
      absl::StrJoin(*attacks, " and ",
                    [](std::string* out, const v1::Attack& attack) {
                      absl::StrAppend(out, AttackTitle(attack));
                    }),
      attacks->size() == 1 ? " has" : " have",
      " no such parameter; it belongs to iterative attacks like igsm"));
}

// "step_size=2/255" becomes "step-size" and "2/255". Both are empty if there is
// no '='. One spelling of the name lets ParseAttack find repeats.
std::pair<std::string, std::string> SplitParameter(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {};
  return {absl::StrReplaceAll(text.substr(0, equals), {{"_", "-"}}),
          text.substr(equals + 1)};
}

}  // namespace

absl::StatusOr<v1::Attack> FindAttack(const std::string& name) {
  // An alias may stand for an attack with parameters, as "apgd:loss=dlr".
  const std::vector<std::string> parts = absl::StrSplit(ExpandAlias(name), ':');
  const auto* kinds = v1::Attack::descriptor()->FindOneofByName("kind");
  const FieldDescriptor* field = nullptr;
  for (int i = 0; i < kinds->field_count(); ++i) {
    if (SameAttackName(kinds->field(i)->name(), parts.front())) {
      field = kinds->field(i);
    }
  }
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' is not an attack; known are ",
        absl::StrJoin(AllAttackDocs(), ", ",
                      [](std::string* out, const AttackDocs& docs) {
                        absl::StrAppend(out, docs.name);
                      })));
  }
  v1::Attack attack;
  // This chooses the member of the oneof. An empty message means all defaults.
  v1::Attack::GetReflection()->MutableMessage(&attack, field);
  for (std::size_t i = 1; i < parts.size(); ++i) {  // of the alias
    const auto [parameter, value] = SplitParameter(parts[i]);
    // No alias sets a size, so the norm does not matter here.
    const auto status = SetParameter(parameter, value, v1::NORM_LINF, &attack);
    if (!status.ok()) return status;
  }
  return attack;
}

absl::StatusOr<v1::Attack> ParseAttack(const std::string& text, v1::Norm norm) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  auto attack = FindAttack(parts.front());
  if (!attack.ok()) return attack;
  const std::string meant = ExpandAlias(parts.front());
  // All errors are gathered, so that one try shows everything that is wrong.
  std::set<std::string> given;
  std::vector<std::string> errors;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto [name, value] = SplitParameter(parts[i]);
    if (name.empty()) {
      errors.push_back(absl::StrCat(
          "'", parts[i], "' is not a parameter of ", parts.front(),
          "; write NAME:PARAMETER=VALUE, for example pgd:steps=20"));
    } else if (!given.insert(name).second) {
      errors.push_back(absl::StrCat(name, " of ", parts.front(),
                                    ": is given twice; give it once"));
    } else if (absl::StrContains(meant, absl::StrCat(":", name, "="))) {
      // "apgd-t:loss=ce" contradicts itself: the alias sets the loss.
      errors.push_back(absl::StrCat(name, " of ", parts.front(), ": ",
                                    parts.front(), " is ", meant, " already"));
    } else if (auto status = SetParameter(name, value, norm, &*attack);
               !status.ok()) {
      errors.emplace_back(status.message());
    }
  }
  if (errors.empty()) return attack;
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

absl::Status ApplySteps(const StepFlags& flags,
                        std::vector<v1::Attack>* attacks) {
  absl::Status status;
  if (flags.steps) {
    status = ApplyToAll(
        "--steps", "steps",
        [&](Message* kind, const FieldDescriptor* field) {
          kind->GetReflection()->SetUInt32(kind, field, *flags.steps);
        },
        attacks);
  }
  if (status.ok() && flags.step_size) {
    status = ApplyToAll(
        "--step-size", "step_size",
        [&](Message* kind, const FieldDescriptor* field) {
          kind->GetReflection()
              ->MutableMessage(kind, field)
              ->CopyFrom(*flags.step_size);
        },
        attacks);
  }
  return status;
}

}  // namespace adv
