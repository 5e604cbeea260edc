#ifndef ADV_CLIENT_EXIT_CODE_H_
#define ADV_CLIENT_EXIT_CODE_H_

namespace adv {

// What advctl's exit status means; scripts rely on it.
enum ExitCode : int {
  kOk = 0,
  // It did not work: a file, an internal error, a deadline, Ctrl-C.
  kFailed = 1,
  // The command line is wrong; nothing was sent.
  kUsage = 2,
  // No server answers.
  kUnreachable = 3,
  // The server understood and said no; asking again changes nothing.
  kRefused = 4,
};

}  // namespace adv

#endif  // ADV_CLIENT_EXIT_CODE_H_
