#ifndef ADV_CLIENT_SESSION_CONNECTION_H_
#define ADV_CLIENT_SESSION_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "adv/v1/model_service.grpc.pb.h"
#include "adv/v1/server_service.grpc.pb.h"
#include "client/options.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/client_context.h"

namespace adv {

class LocalServer;

// Default deadlines in seconds: for a call that answers at once, for one that
// computes, and for a whole evaluation. --timeout replaces each.
inline constexpr double kQuickSeconds = 10;
inline constexpr double kComputeSeconds = 60;
inline constexpr double kEvaluationSeconds = 24 * 3600;

// A server that answers: the one of the flags or of a context, or a private
// one. Thread-safe.
class Connection {
 public:
  // Connects. Errors: InvalidArgument if the address or another flag makes no
  // sense; FailedPrecondition if the file of contexts is damaged;
  // DeadlineExceeded if the time of --timeout is over before the address
  // answers or refuses; Unavailable if no server answers there or the private
  // server did not start.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(
      const GlobalOptions& options);
  ~Connection();

  // Makes a context with a deadline, for one call.
  std::unique_ptr<grpc::ClientContext> NewCall(double default_seconds) const;

  v1::AttackEvaluationService::Stub& evaluation() { return *evaluation_; }
  v1::ModelService::Stub& models() { return *models_; }
  v1::ServerService::Stub& server() { return *server_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }

  // True if the server ends with this process.
  bool is_private() const { return local_ != nullptr; }
  // The server's address, for people.
  const std::string& address() const { return address_; }
  // What the user should know about how it is reached; mostly empty.
  const std::string& warning() const { return warning_; }
  // The private server's log; empty if it is not private.
  std::string log_path() const;

 private:
  Connection() = default;
  absl::Status Connect(const ServerAccess& access, const std::string& balance);

  // Declared first and so destroyed last: the stubs talk to this server.
  std::unique_ptr<LocalServer> local_;
  std::string address_;
  std::string warning_;
  double timeout_seconds_ = 0;
  std::unique_ptr<v1::AttackEvaluationService::Stub> evaluation_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::ServerService::Stub> server_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CONNECTION_H_
