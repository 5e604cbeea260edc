#ifndef ADV_SERVER_CODEC_DETERMINISTIC_BYTES_H_
#define ADV_SERVER_CODEC_DETERMINISTIC_BYTES_H_

#include <google/protobuf/message_lite.h>

#include <string>

namespace adv {

// The bytes of a message, the same for equal messages: what ids and digests
// are taken of.
std::string DeterministicBytes(const google::protobuf::MessageLite& message);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_DETERMINISTIC_BYTES_H_
