#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/session/errors.h"

namespace adv {
namespace {

using Clock = std::chrono::steady_clock;
using grpc::health::v1::HealthCheckResponse;

constexpr char kWholeServer[] = "adv.v1.AttackEvaluationService";
constexpr auto kPause = std::chrono::milliseconds(200);

struct ReadyFlags {
  std::string model;        // empty: the whole server
  double wait_seconds = 0;  // 0: asks once
};

// What one question told. A server that is just starting or draining may be
// ready a moment later, also one that does not answer or know the model yet.
struct Answer {
  bool ready = false;
  std::string reason;  // why not
  ExitCode code = kOk;
};

Answer Ask(const GlobalOptions& options, const ReadyFlags& flags) {
  const auto connection = Connection::Open(options);
  if (!connection.ok()) {
    const absl::Status& status = connection.status();
    return {false, std::string(status.message()), ConnectErrorCode(status)};
  }
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(flags.model.empty() ? kWholeServer
                                          : "model/" + flags.model);
  HealthCheckResponse response;
  const auto call = (*connection)->NewCall(kQuickSeconds);
  const grpc::Status status =
      (*connection)->health().Check(call.get(), request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    return {false,
            flags.model.empty()
                ? "what answers there is no advserver"
                : absl::StrCat("the server has no model \"", flags.model, "\""),
            kRefused};
  }
  if (!status.ok()) {
    return {false, Explain(status), ExitCodeOf(status.error_code())};
  }
  if (response.status() != HealthCheckResponse::SERVING) {
    return {false,
            flags.model.empty()
                ? "the server is not ready: no model serves, it drains, or it "
                  "has too many connections"
                : absl::StrCat("the model \"", flags.model, "\" is not ready"),
            kFailed};
  }
  return {true, "", kOk};
}

ExitCode Ready(Context& context, const ReadyFlags& flags) {
  const auto end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(flags.wait_seconds));
  Answer answer = Ask(context.options(), flags);
  while (!answer.ready && answer.code != kUsage && Clock::now() < end) {
    context.Verbose(answer.reason);
    std::this_thread::sleep_for(kPause);
    answer = Ask(context.options(), flags);
  }
  if (!answer.ready) {
    return context.Fail(absl::UnavailableError(answer.reason), answer.code);
  }
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText({{"ready", true}});
      break;
    case OutputFormat::kCsv:
      context.out() << "ready\ntrue\n";
      break;
    case OutputFormat::kTable:
      context.out() << "ready\n";
      break;
  }
  return kOk;
}

}  // namespace

void AddServerReady(CLI::App* server, Action* action) {
  const auto flags = std::make_shared<ReadyFlags>();
  CLI::App* ready = server->add_subcommand(
      "ready", "Exit 0 if the server can take work, as health checks want it");
  ready
      ->add_option("--model", flags->model,
                   "Ask about this model instead of the whole server")
      ->type_name("NAME");
  ready
      ->add_option("--wait", flags->wait_seconds,
                   "Ask again until it is ready, for at most so many seconds; "
                   "0 asks once")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  ready->footer(
      "Exit status: 0 ready; 1 not ready; 3 no server answers; 4 the server\n"
      "has no such model.\n\n"
      "Examples:\n"
      "  advctl server ready\n"
      "  advctl server ready --model=no-cat --wait=60 && advctl evaluate "
      "--model no-cat");
  ready->callback([flags, action] {
    *action = [flags](Context& context) { return Ready(context, *flags); };
  });
}

}  // namespace adv
