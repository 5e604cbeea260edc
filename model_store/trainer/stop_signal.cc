#include "model_store/trainer/stop_signal.h"

#include <csignal>

namespace adv {
namespace {

// The one kind of variable that a signal handler may safely write.
volatile std::sig_atomic_t stop_signal = 0;

extern "C" void OnStopSignal(int signal) { stop_signal = signal; }

}  // namespace

void CatchStopSignals() {
  struct sigaction action = {};
  action.sa_handler = OnStopSignal;
  // The default comes back after the first signal, so that a second one of its
  // kind ends the program. System calls go on where the signal met them.
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int StopSignal() { return stop_signal; }

}  // namespace adv
