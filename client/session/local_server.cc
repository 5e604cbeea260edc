#include "client/session/local_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/session/find_program.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr auto kStartLimit = std::chrono::seconds(60);
// advserver prints this with its address, because it has chosen the port
// itself.
constexpr char kListening[] = "listening on ";
constexpr std::size_t kLogTail = 2000;

// The last bytes of the log, where the reason of a failure stands.
std::string TailOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() > kLogTail ? all.substr(all.size() - kLogTail) : all;
}

// Runs in the child between fork and exec, where only async-signal-safe calls
// are allowed.
[[noreturn]] void BecomeServer(char* const* arguments, char* const* environment,
                               int output, int log, pid_t parent) {
  // A process group of its own keeps the terminal's Ctrl-C away. Only advctl
  // gets it and decides.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before prctl
  sigset_t none;
  sigemptyset(&none);
  // Interrupts blocked SIGINT in the parent, and exec would hand the mask on.
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(output, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Start(
    const std::vector<std::string>& flags) {
  const auto program = FindProgram("advserver", "ADVCTL_ADVSERVER", "server");
  if (!program.ok()) {
    return absl::UnavailableError(
        absl::StrCat("--local: ", program.status().message()));
  }
  // Port 0 is any free one. Nothing is written to disk, and no other port is
  // opened.
  std::vector<std::string> arguments = {
      *program, "--listen=127.0.0.1:0",
      "--state=:memory:", "--metrics-listen=off"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  auto server = std::unique_ptr<LocalServer>(new LocalServer);
  if (auto status = server->Spawn(arguments); !status.ok()) return status;
  if (auto status = server->WaitForAddress(); !status.ok()) return status;
  return server;
}

absl::Status LocalServer::Spawn(const std::vector<std::string>& arguments) {
  std::error_code error;
  log_path_ = (fs::temp_directory_path(error) / "advserver-XXXXXX").string();
  // Every descriptor closes at exec; the child keeps the two that dup2 copies.
  const int log = mkostemp(log_path_.data(), O_CLOEXEC);
  if (log < 0) {
    return absl::UnavailableError(
        absl::StrCat("--local: cannot create a log file ", log_path_, ": ",
                     std::strerror(errno)));
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    close(log);
    return absl::UnavailableError(
        absl::StrCat("--local: no pipe: ", std::strerror(errno)));
  }
  // The words are made before the fork, because the child must not allocate
  // memory.
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (const auto& word : arguments) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  const std::vector<char*> environment = EnvironmentOfPrograms();
  const pid_t self = getpid();
  child_ = fork();
  if (child_ == 0) {
    BecomeServer(words.data(), environment.data(), ends[1], log, self);
  }
  // close() may change errno.
  const int fork_error = errno;
  output_ = ends[0];
  // With the parent's copy closed, the end of the child ends the pipe, too.
  close(ends[1]);
  close(log);
  if (child_ < 0) {
    return absl::UnavailableError(absl::StrCat(
        "--local: cannot start a process: ", std::strerror(fork_error)));
  }
  return absl::OkStatus();
}

absl::Status LocalServer::WaitForAddress() {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  std::string text;
  bool ended = false;
  while (!ended) {
    for (const auto line : absl::StrSplit(text, '\n')) {
      // The last piece may be half a line; a whole one has its newline.
      const bool whole = line.data() + line.size() != text.data() + text.size();
      if (whole && absl::StartsWith(line, kListening)) {
        address_ = std::string(line.substr(sizeof(kListening) - 1));
        return absl::OkStatus();
      }
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wait = {output_, POLLIN, 0};
    // The server may hang before it listens, so each wait has a limit.
    if (left.count() <= 0) break;
    const int ready = poll(&wait, 1, static_cast<int>(left.count()));
    if (ready == 0) break;
    // After an interrupted wait there may be nothing to read yet, and a read
    // has no limit.
    if (ready < 0 && errno == EINTR) continue;
    char buffer[512];
    const ssize_t count = read(output_, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    // The pipe ends when the server does.
    ended = count <= 0;
    if (!ended) text.append(buffer, count);
  }
  keep_log_ = true;
  return absl::UnavailableError(absl::StrCat(
      "--local: the private server ",
      ended ? "ended instead of listening" : "did not listen within 60 s",
      "; its log, ", log_path_, ", ends with:\n", TailOf(log_path_)));
}

LocalServer::~LocalServer() {
  if (child_ > 0) {
    // The server has no state that a clean end would save.
    kill(child_, SIGKILL);
    // Without this wait the dead server would stay in the table of processes.
    while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (output_ >= 0) close(output_);
  std::error_code ignored;
  if (!keep_log_) fs::remove(log_path_, ignored);
}

}  // namespace adv
