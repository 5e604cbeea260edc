#include "engine/training/step_runner.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#ifdef ADV_CUDA
#include <ATen/cuda/CUDAGraph.h>

#include <mutex>
#endif

namespace adv {
namespace {

// For devices other than CUDA's, and for builds without CUDA.
class DirectRunner final : public StepRunner {
 public:
  void Run(const std::function<void()>& work) override { work(); }
};

#ifdef ADV_CUDA

// The first calls let cuDNN choose its kernels and autograd make its buffers.
constexpr int kCallsBeforeRecording = 3;

// Calls the work a few times, records it once, and replays the recording then.
class GraphRunner final : public StepRunner {
 public:
  void Run(const std::function<void()>& work) override {
    if (recorded_) {
      graph_.replay();
      return;
    }
    if (++calls_ <= kCallsBeforeRecording) {
      work();
      return;
    }
    // Recording launches nothing, so this call's work is still to be done.
    Record(work);
    graph_.replay();
  }

 private:
  void Record(const std::function<void()>& work) {
    // LibTorch's default generator takes part in every recording, so two
    // recordings at once would disturb each other.
    static std::mutex* const one_at_a_time = new std::mutex;
    const std::lock_guard<std::mutex> lock(*one_at_a_time);
    // In a stricter mode the calls of other trainers, and those of autograd's
    // own threads, would break the recording.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeRelaxed);
    work();
    graph_.capture_end();
    recorded_ = true;
  }

  at::cuda::CUDAGraph graph_;
  int calls_ = 0;
  bool recorded_ = false;
};

#endif  // ADV_CUDA

}  // namespace

c10::Stream MakeStream(at::Device device) {
  // Such a device has one queue alone.
  if (!device.is_cuda()) return c10::Stream(c10::Stream::DEFAULT, device);
  return c10::impl::VirtualGuardImpl(device.type())
      .getStreamFromGlobalPool(device);
}

std::unique_ptr<StepRunner> MakeStepRunner(at::Device device) {
#ifdef ADV_CUDA
  if (device.is_cuda()) return std::make_unique<GraphRunner>();
#endif
  (void)device;
  return std::make_unique<DirectRunner>();
}

}  // namespace adv
