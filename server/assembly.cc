#include "server/assembly.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <malloc.h>
#include <torch/version.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/nn/device.h"
#include "engine/nn/onednn_vgg.h"
#include "model_store/durable_file.h"
#include "server/codec/codec_attack.h"
#include "server/evaluations/postgres_evaluation_store.h"
#include "server/evaluations/sqlite_evaluation_store.h"
#include "server/telemetry/reload_log.h"

namespace adv {
namespace {

// Interactive work may fill a quarter of the cost that may wait: an answer is
// not worth much after a long wait.
constexpr int64_t kInteractiveShare = 4;

// The libraries that decide numbers, for reports.
std::vector<std::string> Libraries() {
  std::vector<std::string> libraries = {
      absl::StrCat("LibTorch ", TORCH_VERSION)};
  if (const std::string version = OnednnVersion(); !version.empty()) {
    libraries.push_back(absl::StrCat("oneDNN ", version));
  }
  return libraries;
}

v1::Limits EncodeLimits(const Limits& limits) {
  v1::Limits message;
  message.set_message_bytes(limits.message_bytes);
  message.set_images_per_request(limits.images_per_request);
  message.set_steps(limits.steps);
  message.set_queries(limits.queries);
  message.set_epsilons(limits.epsilons);
  message.set_attacks(limits.attacks);
  message.set_queued_cost(limits.queued_cost);
  message.set_queued_bytes(limits.queued_bytes);
  message.set_concurrent_evaluations(limits.concurrent_evaluations);
  message.set_evaluation_records(limits.evaluation_records);
  message.set_state_bytes(limits.state_bytes);
  return message;
}

}  // namespace

std::map<std::string, std::string> BuildInfo() {
  return {{"version", ADV_VERSION},
          {"libtorch", TORCH_VERSION},
          {"grpc", GRPC_CPP_VERSION_STRING},
          {"compiler", __VERSION__}};
}

int Workers(const Options& options, at::Device device) {
  if (options.workers > 0) return options.workers;
  // One pass fills a GPU. On a CPU each pass has cores of its own.
  if (device.is_cuda()) return 1;
  return std::max(1, UsableCores() / options.intra_op_threads);
}

int64_t ImagesPerPass(const Options& options, at::Device device) {
  constexpr int64_t kOfGpu = 128;
  constexpr int64_t kOfThread = 32;
  return device.is_cuda() ? kOfGpu : kOfThread * options.intra_op_threads;
}

ModelRegistryOptions RegistryOptions(const Options& options, at::Device device,
                                     std::shared_ptr<PassQueue> passes,
                                     const Endpoints& endpoints,
                                     std::shared_ptr<ModelAliases> aliases,
                                     Log* log) {
  ModelRegistryOptions registry;
  // If no zoo is there, all folders stay, so that the error names them.
  registry.stores = options.stores.empty() ? ZooFolders() : options.stores;
  if (options.stores.empty()) {
    // The first zoo that is there; a program does not mix two.
    for (const std::string& folder : ZooFolders()) {
      if (!ModelStore(folder).List().ok()) continue;
      registry.stores = {folder};
      break;
    }
  }
  registry.loading = {device, options.allow_code_models, endpoints};
  registry.passes = std::move(passes);
  registry.aliases = std::move(aliases);
  registry.poll_interval = std::chrono::seconds(options.poll_seconds);
  registry.on_change = [log](const ReloadResult& result) {
    LogReload(result, log);
  };
  return registry;
}

ExecutorOptions MakeExecutorOptions(const Options& options, at::Device device) {
  ExecutorOptions executor;
  // More jobs than passes at once: the passes of several jobs are computed
  // together.
  executor.workers = Workers(options, device);
  executor.threads = options.jobs_per_worker * executor.workers;
  executor.intra_op_threads = options.intra_op_threads;
  const auto cost = static_cast<int64_t>(options.limits.queued_cost);
  const auto bytes = static_cast<int64_t>(options.limits.queued_bytes);
  executor.bulk = {cost, bytes};
  executor.interactive = {std::max<int64_t>(1, cost / kInteractiveShare),
                          bytes};
  return executor;
}

ExecutorOptions EndpointExecutorOptions(const Options& options,
                                        at::Device device) {
  constexpr size_t kMostThreads = 64;
  ExecutorOptions executor = MakeExecutorOptions(options, device);
  // More threads than calls would only wait for a place among the calls.
  const size_t calls = options.endpoints.size() * options.endpoint_requests;
  executor.threads =
      static_cast<int>(std::clamp(calls, size_t{1}, kMostThreads));
  return executor;
}

EvaluationRunnerOptions RunnerOptions(const Options& options, at::Device device,
                                      Executor* endpoint_executor,
                                      Metrics* metrics, Log* log) {
  EvaluationRunnerOptions runner;
  runner.endpoint_executor = endpoint_executor;
  runner.concurrent = static_cast<int>(options.limits.concurrent_evaluations);
  runner.environment.set_device(DescribeDevice(device));
  runner.environment.set_server_version(ADV_VERSION);
  for (const std::string& library : Libraries()) {
    runner.environment.add_libraries(library);
  }
  // Tensors of each shape of a batch split up the arenas of malloc, which would
  // keep what they freed for good: a gigabyte after batches of twenty shapes.
  runner.on_end = [] { malloc_trim(0); };
  runner.on_refused = [log](const std::string& id, const absl::Status& why) {
    log->Warning("evaluation_refused",
                 {{"evaluation", id}, {"error", std::string(why.message())}});
  };
  runner.on_report = [metrics](const v1::EvaluationReport& report) {
    metrics->reports().Set(report);
  };
  return runner;
}

v1::GetServerInfoResponse MakeInfo(const Parts& parts, at::Device device) {
  v1::GetServerInfoResponse info;
  info.set_version(ADV_VERSION);
  for (const std::string& library : Libraries()) info.add_libraries(library);
  // gRPC decides no numbers, so reports leave it out.
  info.add_libraries(absl::StrCat("gRPC ", GRPC_CPP_VERSION_STRING));
  info.set_device(DescribeDevice(device));
  info.set_executor_threads(parts.executor.threads());
  info.set_intra_op_threads(parts.executor.intra_op_threads());
  *info.mutable_started_at() =
      google::protobuf::util::TimeUtil::GetCurrentTime();
  *info.mutable_limits() = EncodeLimits(parts.limits);
  for (const auto& dataset : parts.datasets.List()) {
    v1::DatasetInfo* entry = info.add_datasets();
    entry->set_name(dataset->name);
    entry->set_size(dataset->size());
    entry->set_sha256(dataset->digest);
    entry->mutable_class_names()->Assign(dataset->class_names.begin(),
                                         dataset->class_names.end());
  }
  for (const std::string& attack : ImplementedAttacks()) {
    info.add_attacks(attack);
  }
  return info;
}

absl::StatusOr<std::unique_ptr<Tls>> OpenTls(const Options& options, Log* log) {
  if (options.tls_certificate.empty()) return nullptr;
  return Tls::Open(
      {options.tls_certificate, options.tls_key, options.tls_client_ca,
       options.tls_crl, options.tls_require_client_certificate},
      log);
}

absl::StatusOr<std::unique_ptr<Gate>> OpenGate(const Options& options,
                                               const Tls* tls, Log* log) {
  // Lives as long as the process, as it has nothing to take down.
  static auto& clock = *new RealClock;
  Gate::CheckClient check_client;
  if (tls != nullptr) {
    check_client = [tls](const std::string& certificate,
                         const std::string& chain) {
      return tls->CheckClient(certificate, chain);
    };
  }
  return Gate::Open(options.identities, std::move(check_client), &clock, log);
}

absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenStore(
    const Options& server) {
  if (IsPostgresUrl(server.state)) {
    auto store = OpenPostgresStore({server.state, "", server.lease_seconds});
    if (store.ok()) return store;
    return absl::Status(store.status().code(),
                        absl::StrCat("--state: ", store.status().message()));
  }
  if (absl::StrContains(server.state, "://")) {
    return absl::InvalidArgumentError(
        "--state: must be a folder, :memory: or postgresql://...");
  }
  SqliteStoreOptions options;
  options.max_bytes = static_cast<int64_t>(server.limits.state_bytes);
  // Without a path the store lives in memory.
  if (server.state != kInMemory) {
    const absl::Status made = MakeFolder(server.state);
    if (!made.ok()) {
      return absl::Status(made.code(),
                          absl::StrCat("--state: ", made.message()));
    }
    options.path = absl::StrCat(server.state, "/evaluations.sqlite");
  }
  auto store = OpenSqliteStore(options);
  if (store.ok()) return store;
  return absl::Status(store.status().code(),
                      absl::StrCat("--state: ", store.status().message()));
}

absl::StatusOr<std::shared_ptr<ModelAliases>> OpenAliases(
    const Options& options) {
  // The servers of a shared store have no folder of their own.
  if (options.state == kInMemory || IsPostgresUrl(options.state)) {
    return std::make_shared<ModelAliases>();
  }
  auto aliases =
      ModelAliases::Open(absl::StrCat(options.state, "/aliases.json"));
  if (aliases.ok()) return aliases;
  return absl::Status(aliases.status().code(),
                      absl::StrCat("--state: ", aliases.status().message()));
}

}  // namespace adv
