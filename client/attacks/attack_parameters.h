#ifndef ADV_CLIENT_ATTACKS_ATTACK_PARAMETERS_H_
#define ADV_CLIENT_ATTACKS_ATTACK_PARAMETERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adv/v1/attack.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace adv {

// The parameters of an attack are the fields of its message, read and written
// through reflection: a new one of the protocol needs no code here.

// The attack's own message in the oneof: its field, null if none is set.
const google::protobuf::FieldDescriptor* KindField(const v1::Attack& attack);

// As typed: "mi-fgsm"; empty if no attack is set.
std::string AttackName(const v1::Attack& attack);

// As typed: "step-size".
std::string ParameterName(const google::protobuf::FieldDescriptor& field);

// A value's type, for people: "count", "number", "size", "true or false",
// "attacks joined by +", or the values of an enumeration, "ce, dlr, ...".
std::string ParameterType(const google::protobuf::FieldDescriptor& field);

// A value of an enumeration as typed: "targeted-dlr".
std::string EnumName(const google::protobuf::EnumDescriptor& values,
                     int number);
// All of them, without UNSPECIFIED.
std::vector<std::string> EnumNames(
    const google::protobuf::EnumDescriptor& values);

// The value as it is typed (members without their parameters).
std::string ParameterValue(const google::protobuf::Message& kind,
                           const google::protobuf::FieldDescriptor& field);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_ATTACK_PARAMETERS_H_
