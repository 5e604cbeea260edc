#ifndef ADV_SERVER_WIRE_MESSAGE_BYTES_H_
#define ADV_SERVER_WIRE_MESSAGE_BYTES_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

namespace adv {

// Reads a message as it came over the wire, compressed or not, and releases
// `bytes`. gRPC's own way would inflate a message before it looks at its size,
// and would answer what is none with UNIMPLEMENTED and not a word.
// Errors, with a reason: the bytes are no such message; inflated, it has more
// than `limit` bytes, which is found out without room for much more than those.
absl::Status ReadMessage(grpc::ByteBuffer* bytes, uint64_t limit,
                         google::protobuf::Message* message);

// The other way, not compressed. What was in `bytes` is gone.
absl::Status WriteMessage(const google::protobuf::Message& message,
                          grpc::ByteBuffer* bytes);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_MESSAGE_BYTES_H_
