#ifndef ADV_SERVER_ASSEMBLY_H_
#define ADV_SERVER_ASSEMBLY_H_

#include <absl/status/statusor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "adv/v1/server_service.pb.h"
#include "server/compute/endpoint.h"
#include "server/options.h"
#include "server/parts.h"
#include "server/security/gate.h"
#include "server/security/tls.h"

// What each part of a server is to be like, by the server's options.
namespace adv {

// Images of one pass. They fill a GPU. On a CPU they are as few as lets urgent
// passes wait for some 50 ms, and as many as share each reading of the weights:
// half of them would be 4 % slower, four times as many 4 % faster.
int64_t ImagesPerPass(const Options& options, at::Device device);

// Versions, for /buildinfo and adv_build_info.
std::map<std::string, std::string> BuildInfo();

// Passes that are computed at once.
int Workers(const Options& options, at::Device device);

ModelRegistryOptions RegistryOptions(const Options& options, at::Device device,
                                     std::shared_ptr<PassQueue> passes,
                                     const Endpoints& endpoints,
                                     std::shared_ptr<ModelAliases> aliases,
                                     Log* log);

ExecutorOptions MakeExecutorOptions(const Options& options, at::Device device);

// Its jobs wait, most of the time: one for each call that an endpoint takes at
// once, and at most so many in all.
ExecutorOptions EndpointExecutorOptions(const Options& options,
                                        at::Device device);

EvaluationRunnerOptions RunnerOptions(const Options& options, at::Device device,
                                      Executor* endpoint_executor,
                                      Metrics* metrics, Log* log);

v1::GetServerInfoResponse MakeInfo(const Parts& parts, at::Device device);

// Null without TLS. The error names the flag.
absl::StatusOr<std::unique_ptr<Tls>> OpenTls(const Options& options, Log* log);

// `tls` may be null, and must outlive the gate. The error names the flag.
absl::StatusOr<std::unique_ptr<Gate>> OpenGate(const Options& options,
                                               const Tls* tls, Log* log);

// The error names --state.
absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenStore(
    const Options& server);

// Once the store is open, which nobody else has then. The error names --state.
absl::StatusOr<std::shared_ptr<ModelAliases>> OpenAliases(
    const Options& options);

}  // namespace adv

#endif  // ADV_SERVER_ASSEMBLY_H_
