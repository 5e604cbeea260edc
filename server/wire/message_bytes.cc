#include "server/wire/message_bytes.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "server/wire/errors.h"

namespace adv {
namespace {

namespace io = google::protobuf::io;

// Tells whether its bytes are compressed, which grpc::ByteBuffer does not.
class WireReader final : public grpc::ProtoBufferReader {
 public:
  using ProtoBufferReader::ProtoBufferReader;

  bool compressed() {
    return reader()->buffer_in->data.raw.compression != GRPC_COMPRESS_NONE;
  }
};

absl::Status NoSuchMessage(const google::protobuf::Message& message) {
  return Error(
      Reason::kInvalidRequest,
      absl::StrCat("the bytes of the request are no ",
                   message.GetDescriptor()->full_name(),
                   ": check that the client was made from this server's protos "
                   "and that all text is UTF-8"));
}

// Parses a compressed message and stops reading soon after `limit` bytes, so
// that a small request cannot fill the memory.
absl::Status Inflate(WireReader* reader, uint64_t limit,
                     google::protobuf::Message* message) {
  io::GzipInputStream inflated(reader);  // also reads gRPC's deflate
  const auto most = static_cast<int64_t>(limit);
  // One byte more than allowed shows that there is more.
  io::LimitingInputStream limited(&inflated, most + 1);
  const bool parsed = message->ParseFromZeroCopyStream(&limited);
  // This comes before the result of the parser, which fails when its input is
  // cut.
  if (limited.ByteCount() > most) {
    return Error(Reason::kMessageTooLarge,
                 absl::StrCat("the request has more than ", limit,
                              " bytes (--max-message-bytes) when inflated; "
                              "send fewer images at once"));
  }
  // To the parser, damaged data looks like the end of the message.
  return parsed && inflated.ZlibErrorCode() >= 0 ? absl::OkStatus()
                                                 : NoSuchMessage(*message);
}

}  // namespace

absl::Status ReadMessage(grpc::ByteBuffer* bytes, uint64_t limit,
                         google::protobuf::Message* message) {
  absl::Status status;
  {
    // The reader refers to the bytes, so its scope ends before they are
    // released.
    WireReader reader(bytes);
    if (!reader.status().ok()) {
      status = NoSuchMessage(*message);
    } else if (reader.compressed()) {
      status = Inflate(&reader, limit, message);
    } else if (!message->ParseFromZeroCopyStream(&reader)) {
      status = NoSuchMessage(*message);
    }
  }
  bytes->Clear();
  return status;
}

absl::Status WriteMessage(const google::protobuf::Message& message,
                          grpc::ByteBuffer* bytes) {
  bytes->Clear();  // drops the message before
  bool owned = false;
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter,
                             google::protobuf::Message>(message, bytes, &owned);
  return status.ok() ? absl::OkStatus()
                     : Error(Reason::kInternal, status.error_message());
}

}  // namespace adv
