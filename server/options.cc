#include "server/options.h"

#include <absl/strings/str_cat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

#include "command_line/empty_value.h"
#include "command_line/flags.h"
#include "engine/attacks/attack_config.h"
#include "net/address.h"
#include "server/evaluations/postgres_evaluation_store.h"
#include "server/security/identities.h"
#include "server/security/rules.h"
#include "server/security/token.h"

namespace adv {
namespace {

constexpr AddressRules kTcpAlone{/*lowest_port=*/0,
                                 /*default_port=*/std::nullopt,
                                 /*may_be_unix=*/false};

// What is wrong with an address; empty if nothing is.
std::string AddressFault(const std::string& text, const AddressRules& rules) {
  return std::string(ParseAddress(text, rules).status().message());
}

void AddSecurity(CLI::App& app, Options* options) {
  const auto add = [&app](const char* name, std::string* value,
                          const char* help) {
    app.add_option(name, *value, help)->group("Security");
  };
  add("--tls-certificate", &options->tls_certificate,
      "PEM file: the certificate to show and the chain to its authority, with "
      "--tls-key. Read again when it changes, as all files of this group are");
  add("--tls-key", &options->tls_key, "PEM file: its key");
  add("--tls-client-ca", &options->tls_client_ca,
      "PEM file: the authorities whose certificates clients may show");
  add("--tls-crl", &options->tls_crl,
      "PEM file: the revocation lists of these authorities");
  app.add_flag("--tls-require-client-certificate",
               options->tls_require_client_certificate,
               "Turn away clients that show no certificate")
      ->group("Security");
  add("--identities", &options->identities,
      "JSON file of who may do what, by token or certificate. Without it "
      "everybody may do everything");
  add("--audit-log", &options->audit_log,
      "File to which a line for each attack is added. Default: the log");
}

struct TokenOptions {
  std::string name = "new";
  std::string role = RoleName(Role::kViewer);
};

// The command `token new`.
CLI::App* AddToken(CLI::App& app, TokenOptions* options) {
  CLI::App* const token =
      app.add_subcommand("token", "Tokens for the file of --identities")
          ->require_subcommand(1);
  CLI::App* const make = token->add_subcommand(
      "new",
      "Print a new token, which is kept nowhere, and below it the entry for "
      "the file of --identities, which has only its hash");
  make->add_option("--name", options->name, "Of the identity")
      ->capture_default_str();
  make->add_option("--role", options->role, "viewer, evaluator or admin")
      ->check(CLI::IsMember({"viewer", "evaluator", "admin"}))
      ->capture_default_str();
  return make;
}

// What Identities would say of it, or 0.
int PrintToken(const TokenOptions& options) {
  const std::string token = NewToken();
  const std::string entry = IdentityEntry(options.name, options.role, token);
  const auto identities = Identities::Parse(absl::StrCat("[", entry, "]"));
  if (!identities.ok()) {
    std::cerr << "advserver: " << identities.status().message() << std::endl;
    return 2;
  }
  std::cout << token << "\n" << entry << std::endl;
  return 0;
}

// A flag that may be repeated takes one value each time (allow_extra_args), or
// it would take the words behind it, too.
void AddServing(CLI::App& app, Options* options) {
  app.add_option("--listen", options->listen,
                 "HOST:PORT of gRPC, or unix:PATH; port 0 picks a free one")
      ->check([](const std::string& text) { return AddressFault(text, {}); })
      ->capture_default_str();
  app.add_option("--address-file", options->address_file,
                 "Write the address into this file once it serves");
  app.add_flag("--insecure", options->insecure,
               "Allow --listen on other addresses than loopback, without TLS");
  AddSecurity(app, options);
  app.add_option("--store", options->stores,
                 "Model store folder; may be repeated. Default: the zoo that "
                 "ships with the program")
      ->allow_extra_args(false);
  app.add_flag("--allow-code-models", options->allow_code_models,
               "Run models of the stores that are code (format torchscript): "
               "they can do whatever their author wrote");
  app.add_option("--dataset", options->datasets,
                 "NAME=PATH of a data set; may be repeated. PATH is a folder "
                 "of CIFAR-10's or CIFAR-100's binary files, a .bin file in "
                 "CIFAR-10's layout, a .npz or .safetensors file or a folder "
                 "of .npy files with images and labels (names of the classes "
                 "in classes.txt beside them), or a folder with a folder of "
                 "PNG and JPEG images for each class")
      ->allow_extra_args(false);
  app.add_option(
      "--state", options->state,
      absl::StrCat("Folder of evaluations and aliases; or ", kInMemory,
                   "; or postgresql://USER@HOST:PORT/DATABASE, which any "
                   "number of servers share: they work on its evaluations "
                   "together. Default: ",
                   DefaultStateFolder()));
  app.add_option("--lease-seconds", options->lease_seconds,
                 "Shared store: a tile of an evaluation is given to another "
                 "server when its own has been silent for so long")
      ->check(CLI::Range(1., 3600.))
      ->capture_default_str();
  app.add_flag("--work-only", options->work_only,
               "Shared store: work on its evaluations without listening for "
               "calls, and end when none is left");
  app.add_option("--poll-seconds", options->poll_seconds,
                 "Seconds between two looks at the stores; 0: never")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
}

void AddEndpoints(CLI::App& app, Options* options) {
  const auto add = [&app](const char* name, auto* value, const char* help) {
    return app.add_option(name, *value, help)->group("Endpoints");
  };
  add("--endpoint", &options->endpoints,
      "NAME=grpc://HOST:PORT, or grpcs:// for TLS: a server of the Open "
      "Inference Protocol, for models of format remote; may be repeated")
      ->allow_extra_args(false);
  add("--endpoint-roots", &options->endpoint_roots,
      "PEM file: the authorities to trust; default: the system's");
  add("--endpoint-certificate", &options->endpoint_certificate,
      "PEM file: the certificate to show, with --endpoint-key");
  add("--endpoint-key", &options->endpoint_key, "PEM file: its key");
  add("--endpoint-timeout", &options->endpoint_timeout, "Seconds of a call")
      ->check(CLI::Range(.001, 86400.))
      ->capture_default_str();
  add("--endpoint-retries", &options->endpoint_retries,
      "How often a call that failed is made again")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  add("--endpoint-requests", &options->endpoint_requests,
      "Calls of each endpoint at once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  add("--max-queries-per-second", &options->max_queries_per_second,
      "Images that may be sent to each endpoint in a second; 0: no limit")
      ->check(CLI::Range(0., 1e9))
      ->capture_default_str();
}

void AddComputing(CLI::App& app, Options* options) {
  app.add_option("--device", options->device, "auto, cpu, cuda or cuda:N")
      ->capture_default_str();
  app.add_option("--workers", options->workers,
                 "Threads that compute at once; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--jobs-per-worker", options->jobs_per_worker,
                 "Jobs of each lane under way for each of them, which share "
                 "passes")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--intra-op-threads", options->intra_op_threads,
                 "Threads within one operation")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

void AddLimits(CLI::App& app, Limits* limits) {
  // 0 is no limit that a server could serve with, so each is at least 1.
  const auto add = [&](const char* name, auto* value, auto most,
                       const char* help) {
    using Value = std::decay_t<decltype(*value)>;
    app.add_option(name, *value, help)
        ->check(CLI::Range(Value{1}, static_cast<Value>(most)))
        ->capture_default_str()
        ->group("Limits");
  };
  add("--max-message-bytes", &limits->message_bytes, 1 << 30,
      "Bytes of one message");
  add("--max-images", &limits->images_per_request, 65536,
      "Images of one request");
  add("--max-steps", &limits->steps, kMaxSteps, "Steps of one attack");
  add("--max-queries", &limits->queries, kMaxQueries,
      "Queries per image of one attack that needs no gradients");
  add("--max-epsilons", &limits->epsilons, 1024, "Epsilons of one evaluation");
  add("--max-attacks", &limits->attacks, 1024, "Attacks of one evaluation");
  add("--max-queued-cost", &limits->queued_cost, int64_t{1} << 40,
      "Images times passes that may wait");
  add("--max-queued-bytes", &limits->queued_bytes, int64_t{1} << 40,
      "Bytes of images that may wait");
  add("--max-records", &limits->evaluation_records, int64_t{1} << 30,
      "Samples times attacks times epsilons of one evaluation");
  add("--max-state-bytes", &limits->state_bytes, int64_t{1} << 46,
      "Bytes of the evaluation store's file");
  add("--max-connections", &limits->connections, 1 << 20,
      "Connections at once, as far as the limit of open files allows");
  add("--max-evaluations", &limits->concurrent_evaluations, 1024,
      "Evaluations at once");
}

void AddOperating(CLI::App& app, Options* options, int* metrics_port) {
  CLI::Option* const listen =
      app.add_option("--metrics-listen", options->metrics_listen,
                     "HOST:PORT of /metrics, /livez, /readyz and /buildinfo; "
                     "port 0 picks a free one; off: none")
          ->check([](const std::string& text) {
            // An empty text means that the check has passed.
            return text == "off" ? "" : AddressFault(text, kTcpAlone);
          })
          ->capture_default_str();
  app.add_option("--metrics-port", *metrics_port,
                 "The same on loopback by its port alone; 0 switches it off")
      ->check(CLI::Range(0, 65535))
      ->excludes(listen);
  app.add_option("--keepalive-seconds", options->keepalive_seconds,
                 "Seconds of silence after which a client is asked whether it "
                 "is there")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_option("--drain-seconds", options->drain_seconds,
                 "Seconds that calls have to finish after SIGTERM")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  app.add_option("--drain-wait-seconds", options->drain_wait_seconds,
                 "Seconds before that in which it serves but is not ready, so "
                 "that balancers notice")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  app.add_option("--log-format", options->log_format, "Of standard error")
      ->transform(CLI::CheckedTransformer(std::map<std::string, LogFormat>{
          {"text", LogFormat::kText}, {"json", LogFormat::kJson}}))
      ->option_text("text|json");
  app.add_flag("--exit-when-stdin-closes", options->exit_when_stdin_closes,
               "End when standard input does");
}

absl::Status Prefixed(const char* prefix, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(prefix, status.message()));
}

}  // namespace

ParsedOptions ParseOptions(int argc, const char* const* argv) {
  Options options;
  // -1: not given. 0 is a value, which switches the metrics off.
  int metrics_port = -1;
  CLI::App app(
      "Serves image classifiers, attacks them, and measures how "
      "robust they are.",
      "advserver");
  app.set_version_flag("--version", "advserver " ADV_VERSION);
  AddServing(app, &options);
  AddEndpoints(app, &options);
  AddComputing(app, &options);
  AddLimits(app, &options.limits);
  AddOperating(app, &options, &metrics_port);
  TokenOptions token;
  const CLI::App* const token_command = AddToken(app, &token);
  // CLI11 would read an empty value as 0, or take the next word for it.
  if (auto status = CheckNoEmptyValue(argc, argv); !status.ok()) {
    std::cerr << "advserver: " << status.message() << std::endl;
    return {std::nullopt, 2};
  }
  try {
    ParseFlags(&app, "ADV_", "Options", argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version come as errors, too, with code 0. All others exit
    // with 2.
    const int code = app.exit(error);
    return {std::nullopt, code == 0 ? 0 : 2};
  }
  if (token_command->parsed()) return {std::nullopt, PrintToken(token)};
  if (options.metrics_listen == "off") options.metrics_listen.clear();
  if (metrics_port >= 0) {
    options.metrics_listen =
        metrics_port == 0 ? "" : absl::StrCat("127.0.0.1:", metrics_port);
  }
  if (options.state.empty()) options.state = DefaultStateFolder();
  return {options, 0};
}

absl::Status CheckSharedState(const Options& options) {
  if (!options.work_only || IsPostgresUrl(options.state)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "--work-only needs the store of other servers: "
      "--state=postgresql://USER@HOST:PORT/DATABASE");
}

absl::Status CheckAddresses(const Options& options) {
  const absl::StatusOr<Address> listen = ParseAddress(options.listen);
  if (!listen.ok()) return Prefixed("--listen: ", listen.status());
  if (!options.metrics_listen.empty()) {
    const auto metrics = ParseAddress(options.metrics_listen, kTcpAlone);
    if (!metrics.ok()) return Prefixed("--metrics-listen: ", metrics.status());
  }
  if (options.insecure || !options.tls_certificate.empty() ||
      IsLoopback(*listen)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--listen=", options.listen,
      " is not a loopback address and there is no TLS: whoever reaches it "
      "could use it and read along. Give --tls-certificate and --tls-key, "
      "listen on 127.0.0.1, or give --insecure where the network is trusted"));
}

absl::Status CheckTlsOptions(const Options& options) {
  const auto needs = [](const char* flag, bool given, const char* other,
                        bool other_given) {
    return !given || other_given ? absl::OkStatus()
                                 : absl::InvalidArgumentError(
                                       absl::StrCat(flag, " needs ", other));
  };
  const bool certificate = !options.tls_certificate.empty();
  const bool client_ca = !options.tls_client_ca.empty();
  for (const absl::Status& status :
       {needs("--tls-certificate", certificate, "--tls-key",
              !options.tls_key.empty()),
        needs("--tls-key", !options.tls_key.empty(), "--tls-certificate",
              certificate),
        needs("--tls-client-ca", client_ca, "--tls-certificate", certificate),
        needs("--tls-crl", !options.tls_crl.empty(), "--tls-client-ca",
              client_ca),
        needs("--tls-require-client-certificate",
              options.tls_require_client_certificate, "--tls-client-ca",
              client_ca)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string DefaultStateFolder() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  // The XDG specification says that a relative path is to be ignored.
  if (state != nullptr && *state == '/') return absl::StrCat(state, "/adv");
  const char* const home = std::getenv("HOME");
  return absl::StrCat(home != nullptr ? home : "", "/.local/state/adv");
}

}  // namespace adv
