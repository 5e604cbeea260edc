#include "client/attack_parameters.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/attack_docs.h"
#include "client/attack_flags.h"
#include "client/attack_text.h"
#include "client/epsilon.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Dashes(const std::string& text) {
  return absl::StrReplaceAll(text, {{"_", "-"}});
}

std::string EnumName(const EnumDescriptor& values, int number) {
  // "APGD_LOSS_UNSPECIFIED" tells the prefix of all.
  const std::string& zero = values.FindValueByNumber(0)->name();
  const std::size_t prefix = zero.size() - (sizeof("UNSPECIFIED") - 1);
  const auto* value = values.FindValueByNumber(number);
  if (value == nullptr) return absl::StrCat(number);
  return absl::AsciiStrToLower(Dashes(value->name().substr(prefix)));
}

// A parameter that is being set.
struct Setting {
  const std::string& text;
  v1::Norm norm;
  const FieldDescriptor& field;
  const std::string& range;  // as documented; may be empty
  Message* kind;

  absl::Status Wrong(const std::string& allowed) const {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not ", allowed));
  }

  absl::Status Count() const {
    std::uint32_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) {
      return Wrong(absl::StrCat("a count; allowed are whole numbers, ",
                                range.empty() ? "0 to 4294967295" : range));
    }
    kind->GetReflection()->SetUInt32(kind, &field, value);
    return absl::OkStatus();
  }

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
      if (number == 0 || EnumName(values, number) != Dashes(text)) continue;
      kind->GetReflection()->SetEnumValue(kind, &field, number);
      return absl::OkStatus();
    }
    return Wrong(absl::StrCat("a value; allowed are ",
                              absl::StrJoin(EnumNames(values), ", ")));
  }

  absl::Status Size() const {
    const auto size = ParseStepSize(text, norm);
    if (!size.ok()) return size.status();
    kind->GetReflection()->MutableMessage(kind, &field)->CopyFrom(*size);
    return absl::OkStatus();
  }

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
      default:
        return field.is_repeated() ? Members() : Size();
    }
  }
};

std::string DocumentedRange(const v1::Attack& attack,
                            const FieldDescriptor& field) {
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  if (docs == nullptr) return "";
  for (const ParameterDocs& one : docs->parameters) {
    if (one.name == ParameterName(field)) return one.range;
  }
  return "";
}

}  // namespace

const FieldDescriptor* KindField(const v1::Attack& attack) {
  return v1::Attack::GetReflection()->GetOneofFieldDescriptor(
      attack, v1::Attack::descriptor()->FindOneofByName("kind"));
}

std::string ParameterName(const FieldDescriptor& field) {
  return Dashes(field.name());
}

std::string ParameterType(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return "count";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrJoin(EnumNames(*field.enum_type()), ", ");
    default:
      return field.is_repeated() ? "attacks joined by +" : "size";
  }
}

std::vector<std::string> EnumNames(const EnumDescriptor& values) {
  std::vector<std::string> names;
  for (int i = 0; i < values.value_count(); ++i) {
    const int number = values.value(i)->number();
    if (number != 0) names.push_back(EnumName(values, number));
  }
  return names;
}

absl::Status SetParameter(const std::string& name, const std::string& value,
                          v1::Norm norm, v1::Attack* attack) {
  Message* kind =
      v1::Attack::GetReflection()->MutableMessage(attack, KindField(*attack));
  const Descriptor& type = *kind->GetDescriptor();
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

std::string ParameterValue(const Message& kind, const FieldDescriptor& field) {
  const auto& reflection = *kind.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(kind, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ExactText(reflection.GetDouble(kind, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(kind, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(*field.enum_type(),
                      reflection.GetEnumValue(kind, &field));
    default:
      break;
  }
  if (!field.is_repeated()) {
    v1::Epsilon size;
    size.CopyFrom(reflection.GetMessage(kind, &field));
    return EpsilonText(size);
  }
  std::vector<std::string> names;
  for (int i = 0; i < reflection.FieldSize(kind, &field); ++i) {
    v1::Attack member;
    member.CopyFrom(reflection.GetRepeatedMessage(kind, &field, i));
    names.push_back(AttackName(member));
  }
  return absl::StrJoin(names, "+");
}

}  // namespace adv
