#ifndef ADV_TESTS_ENGINE_DATA_MESSAGE_OF_H_
#define ADV_TESTS_ENGINE_DATA_MESSAGE_OF_H_

#include <absl/status/status.h>

#include <string>

namespace adv {

inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_DATA_MESSAGE_OF_H_
