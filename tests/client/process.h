#ifndef ADV_TESTS_CLIENT_PROCESS_H_
#define ADV_TESTS_CLIENT_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace adv::testing {

using Environment = std::vector<std::pair<std::string, std::string>>;

// A running program with its output in our hands.
class Process {
 public:
  // How its standard error (and its terminal) is connected.
  enum class Terminal { kNone, kPty };

  // Standard input is /dev/null. With kPty it has a controlling terminal of 100
  // columns, which is its standard error.
  Process(const std::vector<std::string>& command,
          const Environment& environment = {},
          Terminal terminal = Terminal::kNone);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads standard error until it holds `text`; false if it ends before.
  bool WaitForError(const std::string& text);

  void Signal(int number);
  // Types into the terminal.
  void Type(const std::string& keys);

  // Reads both streams to their ends; the exit status, or 128 + signal.
  int Wait();

  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  // Reads once from whichever stream has something; false at both ends.
  bool Pump();

  pid_t pid_ = -1;
  int out_fd_ = -1, err_fd_ = -1;
  std::string out_, err_;
};

}  // namespace adv::testing

#endif  // ADV_TESTS_CLIENT_PROCESS_H_
