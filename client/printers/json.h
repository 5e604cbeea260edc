#ifndef ADV_CLIENT_PRINTERS_JSON_H_
#define ADV_CLIENT_PRINTERS_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace adv {

// A message in protobuf's JSON mapping, with the field names of the protos.
// Zeros are written, too. 64-bit integers are strings, and NaN is "NaN".
nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

// Indented, with a newline at the end.
std::string JsonText(const nlohmann::ordered_json& value);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_JSON_H_
