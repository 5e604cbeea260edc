#include "client/session/connection.h"

#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/contexts/resolve_access.h"
#include "client/contexts/saved_contexts.h"
#include "client/session/channel.h"
#include "client/session/credentials.h"
#include "client/session/local_server.h"
#include "grpcpp/channel.h"

namespace adv {
namespace {

using Clock = std::chrono::system_clock;

// How long to wait for a connection if --timeout does not say, and for the
// models of a private server.
constexpr double kConnectSeconds = 5;
constexpr double kModelLoadSeconds = 60;
// For the reason of a failure that is known already.
constexpr double kReasonSeconds = 1;

Clock::time_point In(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double>(seconds));
}

enum class Answer { kConnected, kRefused, kNoneInTime };

// Waits for a connection. It stops at the first refusal instead of backing off
// until the deadline, so that a missing server is reported at once.
Answer WaitUntilConnected(grpc::Channel& channel, double seconds) {
  const auto deadline = In(seconds);
  for (;;) {
    // True starts a connection if there is none.
    const grpc_connectivity_state state = channel.GetState(true);
    if (state == GRPC_CHANNEL_READY) return Answer::kConnected;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) return Answer::kRefused;
    if (!channel.WaitForStateChange(state, deadline)) {
      return Answer::kNoneInTime;
    }
  }
}

// Waits for the models, because a private server listens before they are
// loaded. NOT_SERVING alone means that loading goes on. A server that does not
// know this health name, or whose watch fails, is taken as it is.
void WaitUntilServing(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(In(kModelLoadSeconds));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("adv.v1.AttackEvaluationService");
  const auto watch = stub->Watch(&context, request);
  grpc::health::v1::HealthCheckResponse response;
  while (watch->Read(&response)) {
    if (response.status() ==
        grpc::health::v1::HealthCheckResponse::NOT_SERVING) {
      continue;
    }
    break;
  }
  // A watch never ends by itself.
  context.TryCancel();
  watch->Finish();
}

// The user's own limit was too short, which says nothing about the server.
absl::Status TooLate(const std::string& address, double seconds) {
  return absl::DeadlineExceededError(absl::StrCat(
      "no connection to ", address, " within ", seconds,
      " s (DEADLINE_EXCEEDED); --timeout sets the limit, and may be too "
      "short"));
}

// Why no connection came about, in gRPC's words; empty if nobody listens.
std::string WhyNot(const std::shared_ptr<grpc::Channel>& channel) {
  // A call on a channel that has failed ends at once, with the reason.
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(In(kReasonSeconds));
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, {}, &response);
  const std::string& message = status.error_message();
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE ||
      absl::StrContains(message, "Connection refused")) {
    return "";
  }
  // The last part says it; before it stand addresses and what was tried.
  const std::string mark = "last error: ";
  const std::size_t last = message.find(mark);
  return last == std::string::npos ? message
                                   : message.substr(last + mark.size());
}

// What to do about a connection that was made and came to nothing.
std::string Advice(const ServerAccess& access) {
  if (!access.UsesTls()) {
    return "\n\nIf the server speaks TLS, give --tls, or --ca=FILE for its "
           "authority.";
  }
  return absl::StrCat(
      "\n\nThe server's certificate must be valid today, be signed by ",
      access.ca.empty()
          ? "an authority\nof the system (--ca=FILE names another)"
          : absl::StrCat("one of\n", access.ca),
      ", and name ",
      access.server_name.empty()
          ? "the address\n(--server-name=NAME: another name)"
          : absl::StrCat(access.server_name, "\n(--server-name)"),
      ". A server may also ask for a\ncertificate of yours (--certificate, "
      "--key), or speak no TLS at all.");
}

// The advice tells what else can be done. A refusal comes at once, so only
// silence is told with its time.
absl::Status Unreachable(const ServerAccess& access, Answer answer,
                         const std::string& reason) {
  if (!reason.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "no connection to ", access.server, ": ", reason, Advice(access)));
  }
  const std::string when =
      answer == Answer::kNoneInTime
          ? absl::StrCat(" within ", kConnectSeconds,
                         " s; --timeout=SECONDS gives a busy one more")
          : "";
  return absl::UnavailableError(
      absl::StrCat("no server answers at ", access.server, when,
                   "\n\nStart one:           advserver"
                   "\nor name another:     advctl --server=HOST:PORT ..."
                   "\n                     (or set ADVCTL_SERVER)"
                   "\nor use a private one for this call alone:"
                   "\n                     advctl --local ..."));
}

// The server to be asked. The file of contexts is read if one may count.
absl::StatusOr<ServerAccess> AccessOf(const GlobalOptions& options) {
  if (!options.access.UsesContext()) return ResolveAccess(options.access, {});
  const auto contexts = ReadContexts();
  if (!contexts.ok()) return contexts.status();
  return ResolveAccess(options.access, *contexts);
}

}  // namespace

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(
    const GlobalOptions& options) {
  auto connection = std::unique_ptr<Connection>(new Connection);
  connection->timeout_seconds_ = options.timeout_seconds;
  ServerAccess access;
  if (options.local) {
    auto local = LocalServer::Start(options.ServerFlags());
    if (!local.ok()) return local.status();
    connection->local_ = *std::move(local);
    access.server = connection->local_->address();
  } else {
    auto resolved = AccessOf(options);
    if (!resolved.ok()) return resolved.status();
    access = *std::move(resolved);
  }
  const auto status = connection->Connect(access, options.balance);
  if (!status.ok()) return status;
  return connection;
}

absl::Status Connection::Connect(const ServerAccess& access,
                                 const std::string& balance) {
  address_ = access.server;
  const auto target = TargetOf(address_);
  if (!target.ok()) return target.status();
  const auto credentials = LoadCredentials(access, *target);
  if (!credentials.ok()) return credentials.status();
  warning_ = credentials->warning;
  const auto channel =
      MakeChannel(*target, balance, credentials->channel, access.server_name);
  const bool limited = timeout_seconds_ > 0;
  const double patience = limited ? timeout_seconds_ : kConnectSeconds;
  const Answer answer = WaitUntilConnected(*channel, patience);
  if (answer == Answer::kNoneInTime && limited) {
    return TooLate(address_, patience);
  }
  if (answer != Answer::kConnected) {
    return Unreachable(access, answer, WhyNot(channel));
  }
  // Only a private server has just started; another one is not waited for.
  if (local_ != nullptr) WaitUntilServing(channel);
  evaluation_ = v1::AttackEvaluationService::NewStub(channel);
  models_ = v1::ModelService::NewStub(channel);
  server_ = v1::ServerService::NewStub(channel);
  health_ = grpc::health::v1::Health::NewStub(channel);
  return absl::OkStatus();
}

std::unique_ptr<grpc::ClientContext> Connection::NewCall(
    double default_seconds) const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(
      In(timeout_seconds_ > 0 ? timeout_seconds_ : default_seconds));
  return context;
}

std::string Connection::log_path() const {
  return local_ == nullptr ? "" : local_->log_path();
}

}  // namespace adv
