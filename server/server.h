#ifndef ADV_SERVER_SERVER_H_
#define ADV_SERVER_SERVER_H_

#include <absl/status/statusor.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <memory>
#include <string>

#include "engine/nn/batching_network.h"
#include "net/page_server.h"
#include "server/compute/endpoint.h"
#include "server/evaluations/progress_timer.h"
#include "server/options.h"
#include "server/parts.h"
#include "server/security/audit.h"
#include "server/security/gate.h"
#include "server/security/tls.h"
#include "server/wire/acceptor.h"
#include "server/wire/attack_evaluation_service.h"
#include "server/wire/health.h"
#include "server/wire/inference_service.h"
#include "server/wire/model_service.h"
#include "server/wire/reflection_service.h"
#include "server/wire/server_service.h"

namespace adv {

// A whole server: all its parts, put together and taken apart in order.
class Server {
 public:
  // Loads the models and serves. The error says which option is at fault; if
  // no model can be loaded, where it looked and why each failed. `log` must
  // outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options,
                                                       Log* log);
  // Drain(0, 0), if that has not happened.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // HOST:PORT where gRPC listens; empty if it works only.
  const std::string& address() const { return address_; }
  // Of the metrics; empty if there are none.
  std::string metrics_address() const;

  // Whether no evaluation is underway that this server can take part in. Of a
  // shared store.
  bool nothing_to_do() const { return evaluations_.nothing_underway(); }

  // Looks at the model stores at once, as the call ReloadModels does, and at
  // the files of TLS and identities.
  void Reload();

  // Not ready from now on; serves on for `wait`; then takes no more calls,
  // gives those that run `grace`, and cuts off what is left. What never ends
  // by itself (a health watch, reflection) is cut off as soon as the other
  // calls have ended. Evaluations stop after their running tiles and can be
  // resumed. Returns when no call is left. Once.
  void Drain(Clock::Duration wait, Clock::Duration grace);

  // In-process connections, and the limits' other side, for tests.
  grpc::Server& grpc() { return *grpc_; }

 private:
  struct Stores;
  Server(const Options& options, at::Device device, Stores stores, Log* log);
  absl::Status LoadModels();
  // What aliases stand for, so that the first call of each need not wait.
  void LoadAliases();
  // With what an earlier server did not end. Needs the models.
  void GoOnWithEvaluations();
  absl::Status Listen();
  absl::Status ListenForMetrics();
  void ReloadSecurity();

  const Options options_;
  Log& log_;
  RealClock clock_;
  std::atomic<bool> draining_{false};
  bool drained_ = false;
  std::string address_;

  Metrics metrics_;                 // the parts below report to it
  const std::unique_ptr<Tls> tls_;  // null: no TLS
  const std::unique_ptr<Gate> gate_;
  const std::unique_ptr<Audit> audit_;
  const DatasetRegistry datasets_;
  const std::unique_ptr<EvaluationStore> store_;
  const Endpoints endpoints_;
  const std::shared_ptr<PassQueue> passes_;  // of all models
  ModelRegistry models_;
  Executor executor_;
  Executor endpoint_executor_;
  EvaluationRunner evaluations_;
  Worker loader_;
  Worker storage_;
  CallCount calls_;
  const Parts parts_;
  AttackEvaluationService attack_evaluation_service_;
  ModelService model_service_;
  ServerService server_service_;
  InferenceService inference_service_;
  ReflectionV1 reflection_v1_;
  ReflectionV1Alpha reflection_v1alpha_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<PageServer> http_;
  std::unique_ptr<ProgressTimer> security_timer_;  // looks at files
};

}  // namespace adv

#endif  // ADV_SERVER_SERVER_H_
