#include "client/printers/json.h"

#include "google/protobuf/util/json_util.h"

namespace adv {

nlohmann::ordered_json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  // This fails only for a malformed Any or a timestamp out of range. Null then
  // stands for the message.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options)
           .ok()) {
    return nullptr;
  }
  return nlohmann::ordered_json::parse(text, nullptr,
                                       /*allow_exceptions=*/false);
}

std::string JsonText(const nlohmann::ordered_json& value) {
  // File names may hold bytes that are not UTF-8. They are replaced, where the
  // default would throw.
  return value.dump(2, ' ', false,
                    nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace adv
