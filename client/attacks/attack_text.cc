#include "client/attacks/attack_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/attack_docs.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The attack's own message; null if none is set.
const Message* Kind(const v1::Attack& attack) {
  const FieldDescriptor* field = KindField(attack);
  if (field == nullptr) return nullptr;
  return &attack.GetReflection()->GetMessage(attack, field);
}

// For people: "step size".
std::string Words(const FieldDescriptor& field) {
  return absl::StrReplaceAll(field.name(), {{"_", " "}});
}

// HasField must not be called for a repeated field, which has no presence.
bool IsSet(const Message& kind, const FieldDescriptor& field) {
  return field.is_repeated() ? kind.GetReflection()->FieldSize(kind, &field) > 0
                             : kind.GetReflection()->HasField(kind, &field);
}

// Whether `value`, as ParameterValue writes it, is the documented default. A
// default that is a rule, as "epsilon / 4", equals no value.
bool IsDefault(const v1::Attack& attack, const FieldDescriptor& field,
               const std::string& value) {
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  if (docs == nullptr) return false;
  const std::string name = ParameterName(field);
  return std::any_of(docs->parameters.begin(), docs->parameters.end(),
                     [&](const ParameterDocs& one) {
                       return one.name == name && one.default_value == value;
                     });
}

// "APGD + APGD targeted-dlr + FAB". The standard ensemble has APGD twice, and
// only the loss tells which is which.
std::string Members(const v1::AutoAttack& attack) {
  static const FieldDescriptor& loss =
      *v1::Apgd::descriptor()->FindFieldByName("loss");
  return absl::StrJoin(
      attack.members(), " + ", [](std::string* out, const v1::Attack& one) {
        absl::StrAppend(out, AttackTitle(one));
        if (one.apgd().loss() > v1::APGD_LOSS_CE) {
          absl::StrAppend(out, " ", ParameterValue(one.apgd(), loss));
        }
      });
}

// "40 steps", "1 restart". The protocol names all counts in the plural.
std::string CountPhrase(const FieldDescriptor& field, std::uint32_t count) {
  std::string words = Words(field);
  if (count == 1) {
    words = absl::StrReplaceAll(words, {{"classes", "class"},
                                        {"queries", "query"},
                                        {"repeats", "repeat"},
                                        {"restarts", "restart"},
                                        {"steps", "step"}});
  }
  return absl::StrCat(CountText(count), " ", words);
}

// The words for a parameter that is set; empty for its default. A number of
// queries is told even at its default, because it says how long the attack
// takes.
std::string Phrase(const v1::Attack& attack, const Message& kind,
                   const FieldDescriptor& field) {
  const std::string value = ParameterValue(kind, field);
  if (field.name() != "queries" && IsDefault(attack, field, value)) return "";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return CountPhrase(field, kind.GetReflection()->GetUInt32(kind, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return value == "true" ? Words(field) : "no " + Words(field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat(value, " ", Words(field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(Words(field), " ", value);
    default:
      // A single message is the size of a step, which StepsPhrase tells.
      return field.is_repeated() ? Members(attack.auto_attack()) : "";
  }
}

// "40 steps of 2/255". The two are read together, because the protocol has the
// size before the number and the words need them the other way round.
std::string StepsPhrase(const Message& kind) {
  const auto* descriptor = kind.GetDescriptor();
  const FieldDescriptor* steps = descriptor->FindFieldByName("steps");
  const FieldDescriptor* size = descriptor->FindFieldByName("step_size");
  std::string text;
  if (steps != nullptr && IsSet(kind, *steps)) {
    text = CountPhrase(*steps, kind.GetReflection()->GetUInt32(kind, steps));
  }
  if (size != nullptr && IsSet(kind, *size)) {
    // Without a number the words are "steps of 2/255".
    absl::StrAppend(&text, text.empty() ? "steps" : "", " of ",
                    ParameterValue(kind, *size));
  }
  return text;
}

// Whether the field asks for something else than its default. A list of members
// always does.
bool IsChosen(const v1::Attack& attack, const FieldDescriptor& field) {
  const Message& kind = *Kind(attack);
  return IsSet(kind, field) &&
         (field.is_repeated() ||
          !IsDefault(attack, field, ParameterValue(kind, field)));
}

// The size in a field that is a single message.
v1::Epsilon SizeOf(const Message& kind, const FieldDescriptor& field) {
  v1::Epsilon size;
  size.CopyFrom(kind.GetReflection()->GetMessage(kind, &field));
  return size;
}

// Whether two attacks of the same kind agree in this parameter.
bool SameParameter(const v1::Attack& a, const v1::Attack& b,
                   const FieldDescriptor& field) {
  const bool chosen = IsChosen(a, field);
  // A parameter that is absent is the same as one that is set to its default.
  if (chosen != IsChosen(b, field)) return false;
  if (!chosen) return true;
  if (field.is_repeated()) {
    const auto& ours = a.auto_attack().members();
    const auto& theirs = b.auto_attack().members();
    return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                      SameAttack);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    // The text depends on the unit and has six digits: 0.1 and 25.5/255 are one
    // size.
    return SameSize(SizeOf(*Kind(a), field), SizeOf(*Kind(b), field));
  }
  return ParameterValue(*Kind(a), field) == ParameterValue(*Kind(b), field);
}

}  // namespace

std::string AttackTitle(const v1::Attack& attack) {
  const std::string name = AttackName(attack);
  const AttackDocs* docs = FindAttackDocs(name);
  return docs == nullptr ? name : docs->title;
}

std::string AttackParameters(const v1::Attack& attack) {
  const Message* kind = Kind(attack);
  if (kind == nullptr) return "";
  std::vector<std::string> phrases;
  const auto add = [&phrases](const std::string& phrase) {
    if (!phrase.empty()) phrases.push_back(phrase);
  };
  add(StepsPhrase(*kind));
  for (int i = 0; i < kind->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *kind->GetDescriptor()->field(i);
    // StepsPhrase has told the number of steps.
    if (field.name() == "steps" || !IsSet(*kind, field)) continue;
    add(Phrase(attack, *kind, field));
  }
  return absl::StrJoin(phrases, ", ");
}

std::string TypedAttack(const v1::Attack& attack) {
  const Message* kind = Kind(attack);
  if (kind == nullptr) return "";
  std::string text = AttackName(attack);
  for (int i = 0; i < kind->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *kind->GetDescriptor()->field(i);
    if (!IsSet(*kind, field)) continue;
    absl::StrAppend(&text, ":", ParameterName(field), "=",
                    ParameterValue(*kind, field));
  }
  return text;
}

bool SameAttack(const v1::Attack& a, const v1::Attack& b) {
  if (a.kind_case() != b.kind_case()) return false;
  const Message* kind = Kind(a);
  if (kind == nullptr) return true;
  for (int i = 0; i < kind->GetDescriptor()->field_count(); ++i) {
    if (!SameParameter(a, b, *kind->GetDescriptor()->field(i))) return false;
  }
  return true;
}

bool NeedsNoGradients(const v1::Attack& attack) {
  // Without members AutoAttack is the standard ensemble, which needs gradients,
  // as its documentation says.
  if (attack.auto_attack().members_size() > 0) {
    const auto& members = attack.auto_attack().members();
    return std::all_of(members.begin(), members.end(), NeedsNoGradients);
  }
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  // An attack that is not documented is assumed to need gradients.
  return docs != nullptr && docs->needs != "gradients";
}

std::string SourceText(
    const google::protobuf::RepeatedPtrField<v1::Attack>& attacks) {
  return std::all_of(attacks.begin(), attacks.end(), NeedsNoGradients)
             ? "made on"
             : "gradients from";
}

}  // namespace adv
