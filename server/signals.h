#ifndef ADV_SERVER_SIGNALS_H_
#define ADV_SERVER_SIGNALS_H_

#include <chrono>
#include <optional>

namespace adv {

// From now on SIGTERM, SIGINT and SIGHUP wait for NextSignal instead of ending
// the process, in whatever thread they arrive: a library may have started
// threads before main. SIGHUP stays ignored where the program was started so
// (nohup). SIGPIPE is ignored. Call it once, first thing in main.
void CatchSignals();

// The signal that came first and was not asked for yet. Waits for one, at most
// for `limit`, after which it returns 0. Thread-safe; each signal goes to one
// caller.
int NextSignal(std::optional<std::chrono::milliseconds> limit = std::nullopt);

}  // namespace adv

#endif  // ADV_SERVER_SIGNALS_H_
