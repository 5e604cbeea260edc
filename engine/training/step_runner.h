#ifndef ADV_ENGINE_TRAINING_STEP_RUNNER_H_
#define ADV_ENGINE_TRAINING_STEP_RUNNER_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <functional>
#include <memory>

namespace adv {

// A queue of device work for one trainer: on CUDA a stream of LibTorch's pool,
// so that several trainers' work overlaps; elsewhere the only one there is.
c10::Stream MakeStream(at::Device device);

// Does the same piece of work on a device again and again.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  // Calls `work`, which always does the same: on the same memory, with the same
  // shapes, reading nothing back. On CUDA it is recorded into a graph after a
  // few calls, which is then launched in its place: a whole training step then
  // costs one launch instead of some two hundred. Call it with a stream of
  // MakeStream set as the current one.
  virtual void Run(const std::function<void()>& work) = 0;
};

std::unique_ptr<StepRunner> MakeStepRunner(at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_STEP_RUNNER_H_
