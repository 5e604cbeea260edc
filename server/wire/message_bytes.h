#ifndef ADV_SERVER_WIRE_MESSAGE_BYTES_H_
#define ADV_SERVER_WIRE_MESSAGE_BYTES_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

namespace adv {

// Reads a message from the bytes of the wire, compressed or not, and releases
// `bytes`. gRPC's own way would inflate a message before it checks the size,
// and would answer bytes that are no message with a bare UNIMPLEMENTED. Errors
// have a reason: the bytes are not such a message; or the inflated message has
// more than `limit` bytes, which is detected without memory for many more.
absl::Status ReadMessage(grpc::ByteBuffer* bytes, uint64_t limit,
                         google::protobuf::Message* message);

// Writes a message, not compressed, and drops the former content of `bytes`.
absl::Status WriteMessage(const google::protobuf::Message& message,
                          grpc::ByteBuffer* bytes);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_MESSAGE_BYTES_H_
