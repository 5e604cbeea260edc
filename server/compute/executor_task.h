#ifndef ADV_SERVER_COMPUTE_EXECUTOR_TASK_H_
#define ADV_SERVER_COMPUTE_EXECUTOR_TASK_H_

#include "server/compute/executor.h"

namespace adv {

// A job from Submit to its end. For the executor's own files alone.
struct Executor::Task {
  JobOptions options;
  Job job;
  Done done;
  Clock::Time submitted;
  // While it runs, touched by its thread alone.
  bool in_pass = false;
  Clock::Time pass_start;
  double others_seconds = 0;  // of the jobs that ran in between
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_EXECUTOR_TASK_H_
