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

std::string Words(const FieldDescriptor& field) {
  return absl::StrReplaceAll(field.name(), {{"_", " "}});
}

bool IsSet(const Message& kind, const FieldDescriptor& field) {
  return field.is_repeated() ? kind.GetReflection()->FieldSize(kind, &field) > 0
                             : kind.GetReflection()->HasField(kind, &field);
}

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

// "APGD + APGD targeted-dlr + FAB": the standard ensemble has one twice.
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

// What to say of a parameter that is set; empty for its default. How long the
// attack may go on is always said.
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
      return field.is_repeated() ? Members(attack.auto_attack()) : "";
  }
}

// "40 steps of 2/255"; the size stands before the number in the protocol.
std::string StepsPhrase(const Message& kind) {
  const auto* descriptor = kind.GetDescriptor();
  const FieldDescriptor* steps = descriptor->FindFieldByName("steps");
  const FieldDescriptor* size = descriptor->FindFieldByName("step_size");
  std::string text;
  if (steps != nullptr && IsSet(kind, *steps)) {
    text = CountPhrase(*steps, kind.GetReflection()->GetUInt32(kind, steps));
  }
  if (size != nullptr && IsSet(kind, *size)) {
    absl::StrAppend(&text, text.empty() ? "steps" : "", " of ",
                    ParameterValue(kind, *size));
  }
  return text;
}

// Whether the field asks for something else than its default.
bool IsChosen(const v1::Attack& attack, const FieldDescriptor& field) {
  const Message& kind = *Kind(attack);
  return IsSet(kind, field) &&
         (field.is_repeated() ||
          !IsDefault(attack, field, ParameterValue(kind, field)));
}

v1::Epsilon SizeOf(const Message& kind, const FieldDescriptor& field) {
  v1::Epsilon size;
  size.CopyFrom(kind.GetReflection()->GetMessage(kind, &field));
  return size;
}

// Of two attacks of one kind.
bool SameParameter(const v1::Attack& a, const v1::Attack& b,
                   const FieldDescriptor& field) {
  const bool chosen = IsChosen(a, field);
  if (chosen != IsChosen(b, field)) return false;
  if (!chosen) return true;
  if (field.is_repeated()) {
    const auto& ours = a.auto_attack().members();
    const auto& theirs = b.auto_attack().members();
    return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                      SameAttack);
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
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
  if (attack.auto_attack().members_size() > 0) {
    const auto& members = attack.auto_attack().members();
    return std::all_of(members.begin(), members.end(), NeedsNoGradients);
  }
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  return docs != nullptr && docs->needs != "gradients";
}

std::string SourceText(
    const google::protobuf::RepeatedPtrField<v1::Attack>& attacks) {
  return std::all_of(attacks.begin(), attacks.end(), NeedsNoGradients)
             ? "made on"
             : "gradients from";
}

}  // namespace adv
