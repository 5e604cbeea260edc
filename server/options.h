#ifndef ADV_SERVER_OPTIONS_H_
#define ADV_SERVER_OPTIONS_H_

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <vector>

#include "server/limits.h"
#include "server/telemetry/log.h"

namespace adv {

// How a server is run. Flags of the same names set them, in main alone.
struct Options {
  // HOST:PORT of gRPC; port 0 picks a free one. Other addresses than loopback
  // need TLS, or `insecure`.
  std::string listen = "127.0.0.1:50051";
  // Where to write the address once it serves; empty: nowhere. For scripts.
  std::string address_file;
  // Runs models that are code: formats that may do whatever their author wrote.
  bool allow_code_models = false;
  // Allows `listen` to be another address than loopback, in the clear.
  bool insecure = false;
  // PEM files, read again when they change. With TLS: the server's chain and
  // key, both or neither.
  std::string tls_certificate;
  std::string tls_key;
  // Whom to trust for clients' certificates; empty: none is asked for.
  std::string tls_client_ca;
  // Revocation lists of these authorities; empty: nothing is revoked.
  std::string tls_crl;
  // Turns away clients without a certificate.
  bool tls_require_client_certificate = false;
  // JSON file of who may do what (server/security/identities.h); empty:
  // everybody may do everything.
  std::string identities;
  // Where the lines of the audit go; empty: into the log.
  std::string audit_log;
  // Model store folders. Empty: the zoo that ships with the program.
  std::vector<std::string> stores;
  // "NAME=PATH" of further data sets.
  std::vector<std::string> datasets;
  // "NAME=grpc://HOST:PORT" or "NAME=grpcs://HOST:PORT" (TLS): where remote
  // models may be. A manifest names an endpoint; nobody else can name a host.
  std::vector<std::string> endpoints;
  // With TLS, PEM files: whom to trust (empty: whom the system trusts), and
  // what to show (both or neither).
  std::string endpoint_roots;
  std::string endpoint_certificate;
  std::string endpoint_key;
  double endpoint_timeout = 30;  // seconds of a call, above 0
  int endpoint_retries = 6;      // of a call that failed
  int endpoint_requests = 4;     // calls of each endpoint at once
  // Images that may be sent to each endpoint in a second; 0: no limit.
  double max_queries_per_second = 0;
  // "cpu", "cuda", "cuda:N", or "auto": a GPU where there is one.
  std::string device = "auto";
  // Threads that compute at once; 0: as many as there are cores.
  int workers = 0;
  // Jobs of each lane under way for each of them, 1 to 64: where attacks are
  // done with some images of one job, those of another fill up its passes.
  int jobs_per_worker = 4;
  // Threads within one operation. More than 1 is slower beside busy
  // neighbours.
  int intra_op_threads = 1;
  // Folder of the evaluation store and the aliases of models; empty:
  // DefaultStateFolder().
  // kInMemory: forgotten at the end. postgresql://...: a database that several
  // servers share.
  std::string state;
  // Of a shared store: how long a tile stays with a server that is silent.
  double lease_seconds = 15;
  // Takes tiles of a shared store without listening for calls, and ends when
  // nothing is underway there that it can take part in.
  bool work_only = false;
  Limits limits;
  // Seconds between two looks at the stores; 0: only ReloadModels looks.
  int poll_seconds = 5;
  // Seconds without a byte from a client before the server asks whether it is
  // there; one that does not answer in as long, at most 20 s, is cut off.
  int keepalive_seconds = 60;
  // HOST:PORT of /metrics, /livez, /readyz and /buildinfo; empty: none.
  std::string metrics_listen = "127.0.0.1:9464";
  // After SIGTERM: seconds in which it still serves, "not ready", so that
  // balancers notice.
  int drain_wait_seconds = 0;
  // After that: seconds that calls have to finish.
  int drain_seconds = 20;
  LogFormat log_format = LogFormat::kText;
  // Drains when standard input ends, as a private server must when the program
  // that started it is gone.
  bool exit_when_stdin_closes = false;
};

inline constexpr char kInMemory[] = ":memory:";

// The options of a command line; or, if it asked for help or a token or was
// wrong (all told on the terminal), the exit code.
struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;
};
ParsedOptions ParseOptions(int argc, const char* const* argv);

// INVALID_ARGUMENT if an option needs a shared store and there is none.
absl::Status CheckSharedState(const Options& options);

// INVALID_ARGUMENT if an address is none, or if the server would listen in the
// clear where others can reach it; names the option.
absl::Status CheckAddresses(const Options& options);

// INVALID_ARGUMENT if an option of TLS needs another one that is missing.
absl::Status CheckTlsOptions(const Options& options);

// $XDG_STATE_HOME/adv, otherwise ~/.local/state/adv.
std::string DefaultStateFolder();

// Where the zoo may lie, best first: beside the program, in the source tree.
std::vector<std::string> ZooFolders();

}  // namespace adv

#endif  // ADV_SERVER_OPTIONS_H_
