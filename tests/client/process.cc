#include "tests/client/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace adv::testing {

Process::Process(const std::vector<std::string>& command,
                 const Environment& environment, Terminal terminal) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0) abort();
  if (terminal == Terminal::kPty) {
    winsize size{};
    size.ws_col = 100;
    size.ws_row = 30;
    if (openpty(&err[0], &err[1], nullptr, nullptr, &size) != 0) abort();
    fcntl(err[0], F_SETFD, FD_CLOEXEC);
  } else if (pipe2(err, O_CLOEXEC) != 0) {
    abort();
  }
  std::vector<char*> words;
  for (const auto& word : command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    if (terminal == Terminal::kPty) {
      setsid();
      ioctl(err[1], TIOCSCTTY, 0);
    }
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const auto& [name, value] : environment) {
      setenv(name.c_str(), value.c_str(), 1);
    }
    execv(words[0], words.data());
    _exit(126);
  }
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

bool Process::Pump() {
  pollfd wait[] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if (out_fd_ < 0 && err_fd_ < 0) return false;
  if (poll(wait, 2, -1) < 0) return errno == EINTR;
  const auto take = [](const pollfd& ready, int* fd, std::string* text) {
    if (*fd < 0 || ready.revents == 0) return;
    char buffer[4096];
    const ssize_t count = read(*fd, buffer, sizeof(buffer));
    if (count > 0) {
      text->append(buffer, count);
    } else {  // a terminal ends with EIO
      close(*fd);
      *fd = -1;
    }
  };
  take(wait[0], &out_fd_, &out_);
  take(wait[1], &err_fd_, &err_);
  return true;
}

bool Process::WaitForError(const std::string& text) {
  while (err_.find(text) == std::string::npos) {
    if (err_fd_ < 0 || !Pump()) return false;
  }
  return true;
}

void Process::Signal(int number) { kill(pid_, number); }

void Process::Type(const std::string& keys) {
  if (write(err_fd_, keys.data(), keys.size()) < 0) abort();
}

int Process::Wait() {
  while (Pump()) {
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace adv::testing
