#include "server/server.h"

#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/nn/device.h"
#include "grpc/health/v1/health.pb.h"
#include "server/assembly.h"
#include "server/endpoints.h"
#include "server/telemetry/reload_log.h"
#include "server/wire/resolve_evaluation.h"

namespace adv {
namespace {

// Calls that wait for the disk hold little memory, so many may.
constexpr size_t kTasksThatMayWait = 1000;
// Calls that wait for a model hold their images, outside --max-queued-bytes.
constexpr size_t kLoadsThatMayWait = 8;
constexpr std::chrono::milliseconds kCutOffInterval{100};
// Between two looks at the files of TLS and identities.
constexpr std::chrono::seconds kSecurityInterval{1};
// Between the last reply and the end of its connection. A client that writes to
// a closed connection loses what it has not read from it.
constexpr std::chrono::milliseconds kReadReplies{250};

// How long a peer may leave what it is sent unacknowledged.
std::chrono::seconds Patience(const Options& options) {
  constexpr int kMost = 20;
  return std::chrono::seconds(std::min(options.keepalive_seconds, kMost));
}

// Sets when silent clients are asked whether they are still there. Clients that
// are gone without a word (a pulled cable, a dropped entry of a NAT) hold
// streams and memory until somebody asks. Clients may ask, too, at most every
// kLeastPing.
void SetKeepalive(const Options& options, grpc::ServerBuilder* builder) {
  constexpr int kMilliseconds = 1000;
  constexpr int kLeastPing = 10;  // seconds
  constexpr int kHandshake = 20;  // seconds
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              options.keepalive_seconds * kMilliseconds);
  builder->AddChannelArgument(
      GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
      std::chrono::milliseconds(Patience(options)).count());
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Not only beside data: an idle connection's peer is asked again and again.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kLeastPing * kMilliseconds);
  // A connection that says nothing takes up one of the places.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              kHandshake * kMilliseconds);
}

// To be called before a ServerBuilder is made.
void EnableHealth() {
  // Linked in for reflection to describe what gRPC itself serves.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::EnableDefaultHealthCheckService(true);
}

}  // namespace

// What is opened before the server is made, since opening may fail.
struct Server::Stores {
  DatasetRegistry datasets;
  std::unique_ptr<EvaluationStore> evaluations;
  std::shared_ptr<ModelAliases> aliases;
  Endpoints endpoints;
  std::unique_ptr<Tls> tls;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<Audit> audit;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options,
                                                      Log* log) {
  // Quick checks go first: a wrong flag is told before models load.
  for (const auto check :
       {&CheckAddresses, &CheckTlsOptions, &CheckSharedState}) {
    if (absl::Status status = check(options); !status.ok()) return status;
  }
  auto tls = OpenTls(options, log);
  if (!tls.ok()) return tls.status();
  auto gate = OpenGate(options, tls->get(), log);
  if (!gate.ok()) return gate.status();
  auto audit = Audit::Open(options.audit_log, options.log_format, log);
  if (!audit.ok()) return audit.status();
  const auto device = ParseDevice(options.device);
  if (!device.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--device: ", device.status().message()));
  }
  // For gRPC's threads and ours; the executor's set it themselves.
  at::set_num_threads(options.intra_op_threads);
  auto datasets = DatasetRegistry::Open(options.datasets);
  if (!datasets.ok()) {
    return absl::Status(
        datasets.status().code(),
        absl::StrCat("--dataset: ", datasets.status().message()));
  }
  auto endpoints = MakeEndpoints(options);
  if (!endpoints.ok()) return endpoints.status();
  auto store = OpenStore(options);
  if (!store.ok()) return store.status();
  auto aliases = OpenAliases(options);
  if (!aliases.ok()) return aliases.status();
  std::unique_ptr<Server> server(
      new Server(options, *device,
                 {*std::move(datasets), *std::move(store), *std::move(aliases),
                  *std::move(endpoints), *std::move(tls), *std::move(gate),
                  *std::move(audit)},
                 log));
  for (const auto step :
       // Models load before the server listens, so that the first call finds
       // them.
       {&Server::LoadModels, &Server::Listen, &Server::ListenForMetrics}) {
    if (absl::Status status = (server.get()->*step)(); !status.ok()) {
      return status;
    }
  }
  log->Info("serving", {{"address", server->address()},
                        {"metrics", server->metrics_address()},
                        {"device", DescribeDevice(*device)},
                        {"workers", Workers(options, *device)},
                        {"jobs", server->executor_.threads()},
                        {"intra_op_threads", options.intra_op_threads},
                        {"version", ADV_VERSION}});
  return server;
}

Server::Server(const Options& options, at::Device device, Stores stores,
               Log* log)
    : options_(options),
      log_(*log),
      metrics_(BuildInfo()),
      tls_(std::move(stores.tls)),
      gate_(std::move(stores.gate)),
      audit_(std::move(stores.audit)),
      datasets_(std::move(stores.datasets)),
      store_(std::move(stores.evaluations)),
      endpoints_(std::move(stores.endpoints)),
      passes_(std::make_shared<PassQueue>(Workers(options, device),
                                          ImagesPerPass(options, device),
                                          /*pads=*/device.is_cuda())),
      models_(RegistryOptions(options, device, passes_, endpoints_,
                              std::move(stores.aliases), log)),
      executor_(MakeExecutorOptions(options, device)),
      endpoint_executor_(EndpointExecutorOptions(options, device)),
      evaluations_(
          &executor_, store_.get(),
          RunnerOptions(options, device, &endpoint_executor_, &metrics_, log)),
      loader_(kLoadsThatMayWait),
      storage_(kTasksThatMayWait),
      parts_{executor_,    endpoint_executor_,
             models_,      datasets_,
             evaluations_, *store_,
             loader_,      storage_,
             *gate_,       *audit_,
             calls_,       metrics_,
             log_,         options_.limits,
             draining_},
      attack_evaluation_service_(parts_),
      model_service_(parts_),
      server_service_(parts_, MakeInfo(parts_, device)),
      inference_service_(parts_),
      reflection_v1_(parts_),
      reflection_v1alpha_(parts_) {
  metrics_.Watch({executor_, models_, evaluations_, *store_, *passes_,
                  endpoints_, device});
}

absl::Status Server::LoadModels() {
  const ReloadResult result = models_.Reload();
  LogReload(result, &log_);
  if (!result.loaded.empty()) {
    // One model is enough to serve. The others are in the log, and the polling
    // may find them later.
    LoadAliases();
    models_.StartPolling();
    GoOnWithEvaluations();
    return absl::OkStatus();
  }
  std::vector<std::string> problems = result.store_errors;
  for (const v1::Model& model : result.failed) {
    problems.push_back(absl::StrCat(model.name(), "@", model.version(), " in ",
                                    model.store(), ": ", model.error()));
  }
  const std::vector<std::string> looked =
      options_.stores.empty() ? ZooFolders() : options_.stores;
  return absl::NotFoundError(absl::StrCat(
      "no model could be loaded from ", absl::StrJoin(looked, ", "),
      problems.empty() ? "" : ": ", absl::StrJoin(problems, "; "),
      ". Give --store=FOLDER with models that advtrain published"));
}

void Server::LoadAliases() {
  for (const auto& [alias, target] : models_.aliases().List()) {
    const auto loaded = models_.Borrow(target);
    if (loaded.ok()) continue;
    log_.Warning("model_alias_broken",
                 {{"alias", alias},
                  {"target", target},
                  {"message", std::string(loaded.status().message())}});
  }
}

void Server::GoOnWithEvaluations() {
  evaluations_.GoOn([this](const v1::EvaluationSpec& spec) {
    return ResolveEvaluation(spec, models_, datasets_, options_.limits);
  });
  // None ran before.
  if (const int64_t running = evaluations_.stats().running; running > 0) {
    log_.Info("evaluations_go_on", {{"count", running}});
  }
}

absl::Status Server::Listen() {
  if (options_.work_only) return absl::OkStatus();
  EnableHealth();
  auto listener = Listener::Open(options_.listen, Patience(options_));
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("--listen: cannot listen on ",
                                               options_.listen, ": ",
                                               listener.status().message()));
  }
  // The listener moves into the acceptor below. With port 0 the system chose
  // one.
  const int port = (*listener)->port();
  grpc::ServerBuilder builder;
  connections_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      tls_ == nullptr ? grpc::InsecureServerCredentials()
                      : tls_->Credentials());
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(options_.limits.message_bytes));
  // No limit: an answer may be larger than its request.
  builder.SetMaxSendMessageSize(-1);
  // ReadMessage inflates, within the limit.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  SetKeepalive(options_, &builder);
  builder.RegisterService(&attack_evaluation_service_);
  builder.RegisterService(&model_service_);
  builder.RegisterService(&server_service_);
  builder.RegisterService(&inference_service_);
  builder.RegisterService(&reflection_v1_);
  builder.RegisterService(&reflection_v1alpha_);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr) return absl::InternalError("gRPC does not start");
  // gRPC has started by now, as a connection may come at once.
  acceptor_ = std::make_unique<Acceptor>(
      *std::move(listener), static_cast<int>(options_.limits.connections),
      [this](int listening, int connection) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
            parameters;
        parameters.listener_fd = listening;
        parameters.fd = connection;
        connections_->HandleNewConnection(&parameters);
      },
      &log_);
  Address address = *ParseAddress(options_.listen);
  if (!address.is_unix()) address.port = port;
  address_ = ToString(address);
  health_ = std::make_unique<Health>(grpc_->GetHealthCheckService(), &models_,
                                     acceptor_.get(), &evaluations_);
  ReloadSecurity();
  security_timer_ = std::make_unique<ProgressTimer>(
      &clock_, kSecurityInterval, [this] { ReloadSecurity(); });
  return absl::OkStatus();
}

absl::Status Server::ListenForMetrics() {
  if (options_.metrics_listen.empty()) return absl::OkStatus();
  const auto text = [](int code, const char* body) {
    return HttpPage{code, HttpPage().type, body};
  };
  const HttpPages pages = {
      {"/metrics",
       [this] {
         return HttpPage{200, kPrometheusText, metrics_.Text()};
       }},
      {"/livez", [text] { return text(200, "ok\n"); }},
      {"/readyz",
       [this, text] {
         // Nobody is to call one that only works.
         return health_ != nullptr && health_->ready()
                    ? text(200, "ok\n")
                    : text(503, "not ready\n");
       }},
      {"/buildinfo",
       [] {
         return HttpPage{200, "application/json",
                         nlohmann::json(BuildInfo()).dump(2) + "\n"};
       }},
  };
  auto http = PageServer::Start(*ParseAddress(options_.metrics_listen), pages);
  if (!http.ok()) {
    return absl::Status(
        http.status().code(),
        absl::StrCat("--metrics-listen: ", http.status().message()));
  }
  http_ = *std::move(http);
  return absl::OkStatus();
}

std::string Server::metrics_address() const {
  return http_ == nullptr ? "" : ToString(http_->address());
}

void Server::Reload() {
  ReloadSecurity();
  LogReload(models_.Reload(), &log_);
}

void Server::ReloadSecurity() {
  if (tls_ != nullptr) {
    tls_->Refresh();
    metrics_.security().Set(tls_->stats());
  }
  gate_->Refresh();
  if (!options_.identities.empty()) metrics_.security().Set(gate_->stats());
}

void Server::Drain(Clock::Duration wait, Clock::Duration grace) {
  drained_ = true;
  if (grpc_ == nullptr) {
    // There are no calls to end: it works only, or Start failed before it
    // listened.
    evaluations_.Stop();
    executor_.Drain(grace);
    for (const auto& [name, endpoint] : endpoints_) endpoint->Stop();
    endpoint_executor_.Drain({});
    return;
  }
  log_.Info("draining", {{"wait_seconds", Seconds(wait)},
                         {"grace_seconds", Seconds(grace)}});
  draining_ = true;
  // Balancers learn it first. Until `wait` is over they may still send calls.
  health_->StartDrain();
  std::this_thread::sleep_for(wait);
  // From here on no run begins another tile.
  evaluations_.Stop();
  const Clock::Time end = std::chrono::steady_clock::now() + grace;
  acceptor_->Stop();
  // Calls are refused here and not by gRPC, which would answer CANCELLED to
  // those that come in while it shuts down. Clients would not repeat them.
  calls_.Close();
  executor_.Drain(grace);
  // Their jobs may be within a call, which takes longer than what is left.
  const Clock::Duration left =
      std::max<Clock::Duration>(end - std::chrono::steady_clock::now(), {});
  const std::future<void> waiting =
      std::async(std::launch::async, [&] { endpoint_executor_.Drain(left); });
  // The jobs have what is left of the grace. Then Stop ends their calls.
  waiting.wait_for(left);
  for (const auto& [name, endpoint] : endpoints_) endpoint->Stop();
  waiting.wait();
  calls_.AwaitNone(end);
  std::this_thread::sleep_until(std::min<Clock::Time>(
      end, std::chrono::steady_clock::now() + kReadReplies));
  // Closes all connections. What is left nobody ends, such as health watches,
  // and what is just coming in gets UNAVAILABLE from its own end.
  grpc_server_cancel_all_calls(grpc_->c_server());
  const std::future<void> shutdown = std::async(std::launch::async, [&] {
    grpc_->Shutdown(std::chrono::system_clock::now());
  });
  // Again until it is over: connections may have been made meanwhile.
  while (shutdown.wait_for(kCutOffInterval) != std::future_status::ready) {
    grpc_server_cancel_all_calls(grpc_->c_server());
  }
  log_.Info("drained");
}

Server::~Server() {
  if (!drained_) Drain({}, {});
  // The pages ask Health, which in turn asks the acceptor and gRPC.
  http_.reset();
  health_.reset();
}

}  // namespace adv
