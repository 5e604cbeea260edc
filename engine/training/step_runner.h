#ifndef ADV_ENGINE_TRAINING_STEP_RUNNER_H_
#define ADV_ENGINE_TRAINING_STEP_RUNNER_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <functional>
#include <memory>

namespace adv {

// A queue of device work for one trainer. On CUDA it is a stream of LibTorch's
// pool, so that the work of several trainers overlaps; elsewhere it is the only
// queue there is.
c10::Stream MakeStream(at::Device device);

// Does the same piece of work on a device again and again.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  // Calls `work`, which must do the same each time: on the same memory, with
  // the same shapes, reading nothing back. On CUDA, after a few calls, it is
  // recorded into a graph, which is launched in its place from then on. A whole
  // training step then costs one launch instead of some two hundred. The
  // current stream must be one of MakeStream.
  virtual void Run(const std::function<void()>& work) = 0;
};

std::unique_ptr<StepRunner> MakeStepRunner(at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_STEP_RUNNER_H_
