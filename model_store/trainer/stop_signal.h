#ifndef ADV_MODEL_STORE_TRAINER_STOP_SIGNAL_H_
#define ADV_MODEL_STORE_TRAINER_STOP_SIGNAL_H_

namespace adv {

// From now on SIGINT and SIGTERM ask to stop. A second one of the same kind
// ends the program at once. To be called once, from main.
void CatchStopSignals();

// The signal that asked to stop, 0 if none has.
int StopSignal();

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_STOP_SIGNAL_H_
