// advserver: serves models, attacks and evaluations over gRPC.
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "model_store/durable_file.h"
#include "server/options.h"
#include "server/server.h"
#include "server/signals.h"
#include "server/telemetry/log.h"
#include "server/wire/acceptor.h"

namespace {

// The time from the end of the grace until the process is ended by force:
// enough for a job's last pass and the last fsync.
constexpr std::chrono::seconds kPatience{15};

// Restarts the program with settings that libraries read when they are loaded,
// before main. OpenMP's threads would spin while they wait and take the
// processor from everyone else. glog is LibTorch's, and its notes are no
// events.
void RestartWithQuietThreads(char** argv) {
  // Set by the user, or by this function before it restarted the program.
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("GLOG_minloglevel", "2", 0);
  // By its own name, so that process lists show it.
  char path[PATH_MAX + 1] = {};
  if (readlink("/proc/self/exe", path, PATH_MAX) > 0) execv(path, argv);
  // Without /proc it runs on as it is.
}

// Whether a terminal can hang up on this process. Then SIGHUP says that it is
// gone; without one, an administrator asks for a reload.
bool HasTerminal() {
  const int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return false;
  close(terminal);
  return true;
}

// Starts a drain when standard input ends. Who closes it after a SIGTERM is not
// impatient, so only the first of both counts.
void EndWithStandardInput(const std::shared_ptr<std::atomic<bool>>& ending) {
  std::thread([ending] {
    char bytes[256];
    // What comes in is of no interest, only its end.
    while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0) {
    }
    if (!*ending) kill(getpid(), SIGTERM);
  }).detach();
}

// Ends the process at a second signal, or when draining takes too long.
void EndInAnyCase(std::chrono::seconds limit, adv::Log* log) {
  std::thread([limit, log] {
    const int signal = adv::NextSignal(limit);
    log->Error("exit_at_once",
               {{"reason", signal > 0 ? "second signal" : "drain timeout"}});
    // No destructors: one of them may be what takes too long.
    std::_Exit(1);
  }).detach();
}

int Fail(adv::Log& log, const absl::Status& status) {
  log.Error("start_failed", {{"message", std::string(status.message())}});
  return 1;
}

// Serves until a signal asks for the end.
void ServeUntilAsked(adv::Server& server, bool has_terminal) {
  while (adv::NextSignal() == SIGHUP && !has_terminal) server.Reload();
}

// Works until nothing is left, or a signal asks for the end.
void WorkUntilDone(adv::Server& server) {
  constexpr std::chrono::milliseconds kLook{200};
  while (adv::NextSignal(kLook) == 0 && !server.nothing_to_do()) {
  }
}

int Serve(const adv::Options& options) {
  // Lives as long as the process: gRPC and the threads above use it.
  auto& log = *new adv::Log(std::cerr, options.log_format);
  adv::CaptureGrpcLog(&log);
  log.Info("open_files", {{"limit", adv::RaiseFileLimit()}});
  // The limit of files must be raised by now, since the acceptor counts with
  // it.
  auto server = adv::Server::Start(options, &log);
  if (!server.ok()) return Fail(log, server.status());
  const std::string& address = (*server)->address();
  // The server accepts calls already, so whoever reads the address may connect.
  if (!options.address_file.empty()) {
    const absl::Status written = adv::WriteFileDurably(
        options.address_file, absl::StrCat(address, "\n"));
    if (!written.ok()) return Fail(log, written);
  }
  if (options.work_only) {
    std::cout << "working" << std::endl;
  } else {
    std::cout << "listening on " << address << std::endl;
  }
  const auto ending = std::make_shared<std::atomic<bool>>(false);
  if (options.exit_when_stdin_closes) EndWithStandardInput(ending);

  if (options.work_only) {
    WorkUntilDone(**server);
  } else {
    ServeUntilAsked(**server, HasTerminal());
  }
  *ending = true;
  const std::chrono::seconds wait(options.drain_wait_seconds);
  const std::chrono::seconds grace(options.drain_seconds);
  // It begins before the drain, which it must be able to end.
  EndInAnyCase(wait + grace + kPatience, &log);
  (*server)->Drain(wait, grace);
  server->reset();
  log.Info("exit");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  RestartWithQuietThreads(argv);
  adv::CatchSignals();
  const adv::ParsedOptions parsed = adv::ParseOptions(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  return Serve(*parsed.options);
}
