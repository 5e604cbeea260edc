#include "server/wire/call.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <grpc/grpc_security_constants.h>
#include <grpc/support/time.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "server/security/rules.h"
#include "server/wire/errors.h"
#include "server/wire/trace_context.h"

namespace adv {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";
constexpr size_t kMaxRequestId = 64;
// A deadline farther away than this counts as none.
constexpr std::chrono::seconds kForever = std::chrono::hours(24 * 365);

// 64 random bits as 16 hexadecimal digits.
std::string MakeRequestId() {
  // One generator for each thread needs no lock.
  thread_local std::mt19937_64 random{std::random_device{}()};
  const uint64_t bits = random();
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(&bits), sizeof(bits)));
}

// The caller's id if it is fit for a log, else a new one.
std::string RequestId(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(kRequestIdKey);
  if (found == metadata.end()) return MakeRequestId();
  const std::string id(found->second.data(), found->second.size());
  const bool printable = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  return !id.empty() && id.size() <= kMaxRequestId && printable
             ? id
             : MakeRequestId();
}

// Empty without a traceparent, or with several, which the standard forbids.
std::string TraceId(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  if (metadata.count("traceparent") != 1) return "";
  const grpc::string_ref& value = metadata.find("traceparent")->second;
  return TraceIdOf(absl::string_view(value.data(), value.size()));
}

std::string Text(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

// The first value of a property of the connection; empty if there is none.
std::string Property(const grpc::AuthContext& connection, const char* name) {
  const auto values = connection.FindPropertyValues(name);
  return values.empty() ? "" : Text(values.front());
}

Shown WhatIsShown(const grpc::CallbackServerContext& context) {
  Shown shown;
  const auto [first, last] =
      context.client_metadata().equal_range("authorization");
  for (auto each = first; each != last; ++each) {
    shown.authorization.push_back(Text(each->second));
  }
  const auto connection = context.auth_context();
  shown.certificate = Property(*connection, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  shown.chain = Property(*connection, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  for (const grpc::string_ref& name :
       connection->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
    shown.names.push_back(Text(name));
  }
  return shown;
}

}  // namespace

CallFrame::CallFrame(grpc::CallbackServerContext* context, RpcMetrics& metrics,
                     const Parts& parts, WhileDraining while_draining)
    : context_(context),
      metrics_(metrics),
      parts_(parts),
      request_id_(RequestId(*context)),
      trace_id_(TraceId(*context)),
      start_(std::chrono::steady_clock::now()),
      awaited_(while_draining == WhileDraining::kIsAwaited),
      taken_(!awaited_ || parts.calls.Begin()),
      caller_(UnknownIdentity()) {
  metrics_.Start();
}

CallFrame::~CallFrame() {
  if (awaited_ && taken_) parts_.calls.End();
}

absl::Status CallFrame::Admit() {
  Admission admission =
      parts_.gate.Admit(metrics_.full_method(), WhatIsShown(*context_));
  caller_ = std::move(admission.identity);
  return admission.status;
}

absl::Status CallFrame::Receive(const grpc::ByteBuffer* bytes,
                                google::protobuf::Message* message) {
  if (!taken_) return Error(Reason::kDraining, "the server is stopping");
  if (!admitted_) {
    if (absl::Status status = Admit(); !status.ok()) return status;
    admitted_ = true;
  }
  // gRPC keeps a request's bytes until the end of the call, and nothing else
  // reads them. Many calls wait, so the bytes are released as soon as they are
  // read.
  return ReadMessage(const_cast<grpc::ByteBuffer*>(bytes),
                     parts_.limits.message_bytes, message);
}

void CallFrame::WriteAudit(grpc::StatusCode code) {
  const Rule* const rule = FindRule(metrics_.full_method());
  if (audited_ || rule == nullptr || !rule->audited) return;
  audited_ = true;
  parts_.audit.Write({caller(), context_->peer(), metrics_.method(), attack_,
                      request_id_, trace_id_, CodeName(code)});
}

std::optional<Clock::Time> CallFrame::deadline() const {
  // gRPC's own conversion to a time_point overflows for far deadlines.
  const gpr_timespec end = context_->raw_deadline();
  // The deadline is a time of another clock than steady_clock. The time that is
  // left means the same on both.
  const gpr_timespec left = gpr_time_sub(end, gpr_now(end.clock_type));
  if (left.tv_sec > kForever.count()) return {};
  const std::chrono::seconds seconds(
      std::max<int64_t>(left.tv_sec, -kForever.count()));
  return std::chrono::steady_clock::now() + seconds +
         std::chrono::nanoseconds(left.tv_nsec);
}

absl::Status CallFrame::Cancelled() const {
  const gpr_timespec end = context_->raw_deadline();
  // gRPC cancels a call at its deadline, too, so the clock must tell the two
  // cases apart.
  return gpr_time_cmp(gpr_now(end.clock_type), end) >= 0
             ? Error(Reason::kDeadlineExceeded, "the deadline has passed")
             : Error(Reason::kCancelled, "the caller gave up");
}

grpc::Status CallFrame::End(const absl::Status& status) {
  grpc::Status wire = ToGrpcStatus(status);
  const double seconds = Seconds(std::chrono::steady_clock::now() - start_);
  metrics_.End(wire.error_code(), seconds);
  // Trailers go out with the status, so they are added before the call is
  // finished.
  context_->AddTrailingMetadata(kRequestIdKey, request_id_);
  if (const std::string pushback = RetryPushback(status); !pushback.empty()) {
    context_->AddTrailingMetadata("grpc-retry-pushback-ms", pushback);
  }
  WriteAudit(wire.error_code());
  parts_.metrics.security().CountRefusal(ReasonName(status));
  const char* const code = CodeName(wire.error_code());
  if (wire.ok()) {
    parts_.log.Info("rpc", {{"method", metrics_.method()},
                            {"code", code},
                            {"seconds", seconds},
                            {"identity", caller().name},
                            {"request_id", request_id_},
                            {"trace_id", trace_id_}});
    return wire;
  }
  // Only INTERNAL is this server's fault.
  const auto write = wire.error_code() == grpc::StatusCode::INTERNAL
                         ? &Log::Error
                         : &Log::Warning;
  (parts_.log.*write)("rpc", {{"method", metrics_.method()},
                              {"code", code},
                              {"seconds", seconds},
                              {"identity", caller().name},
                              {"request_id", request_id_},
                              {"trace_id", trace_id_},
                              {"peer", context_->peer()},
                              {"message", wire.error_message()}});
  return wire;
}

}  // namespace adv
