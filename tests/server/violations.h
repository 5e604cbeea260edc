#ifndef ADV_TESTS_SERVER_VIOLATIONS_H_
#define ADV_TESTS_SERVER_VIOLATIONS_H_

#include <absl/status/status.h>

#include <string>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"

namespace adv {

// Field and description of each violation that an error lists, in order.
inline std::vector<std::pair<std::string, std::string>> ViolationsOf(
    const absl::Status& status) {
  google::rpc::BadRequest request;
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload) request.ParseFromString(std::string(*payload));
  std::vector<std::pair<std::string, std::string>> violations;
  for (const auto& violation : request.field_violations()) {
    violations.emplace_back(violation.field(), violation.description());
  }
  return violations;
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_VIOLATIONS_H_
