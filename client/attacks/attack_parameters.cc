#include "client/attacks/attack_parameters.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Dashes(const std::string& text) {
  return absl::StrReplaceAll(text, {{"_", "-"}});
}

}  // namespace

const FieldDescriptor* KindField(const v1::Attack& attack) {
  return v1::Attack::GetReflection()->GetOneofFieldDescriptor(
      attack, v1::Attack::descriptor()->FindOneofByName("kind"));
}

std::string AttackName(const v1::Attack& attack) {
  const FieldDescriptor* field = KindField(attack);
  return field == nullptr ? "" : ParameterName(*field);
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
      // The messages among the parameters are attacks (repeated) and sizes
      // (single).
      return field.is_repeated() ? "attacks joined by +" : "size";
  }
}

std::string EnumName(const EnumDescriptor& values, int number) {
  // All names of an enumeration share a prefix. The name of 0, as
  // "APGD_LOSS_UNSPECIFIED", shows how long it is.
  const std::string& zero = values.FindValueByNumber(0)->name();
  const std::size_t prefix = zero.size() - (sizeof("UNSPECIFIED") - 1);
  const auto* value = values.FindValueByNumber(number);
  // A newer server may send a value that this program does not know.
  if (value == nullptr) return absl::StrCat(number);
  return absl::AsciiStrToLower(Dashes(value->name().substr(prefix)));
}

std::vector<std::string> EnumNames(const EnumDescriptor& values) {
  std::vector<std::string> names;
  for (int i = 0; i < values.value_count(); ++i) {
    const int number = values.value(i)->number();
    // 0 is UNSPECIFIED, which is not a choice.
    if (number != 0) names.push_back(EnumName(values, number));
  }
  return names;
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
  // A single message is a size. GetMessage returns the base class, and CopyFrom
  // turns it into an Epsilon.
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
