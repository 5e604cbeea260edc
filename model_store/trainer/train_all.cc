#include "model_store/trainer/train_all.h"

#include <ATen/Parallel.h>
#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "model_store/model_store.h"
#include "model_store/trainer/model_queue.h"
#include "model_store/trainer/stop_signal.h"
#include "model_store/trainer/train_model.h"

namespace adv {
namespace {

// TrainModel, with the exceptions of LibTorch and the standard library as
// statuses. One that left its thread would end the program, and with it the
// training of all other models.
absl::Status TryToTrain(const TrainerOptions& options,
                        const TrainingInputs& inputs, const ModelTask& task,
                        Lease* lease, Reporter* reporter) {
  try {
    return TrainModel(options, inputs, task, lease, reporter);
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace

int TrainAll(const TrainerOptions& options, const TrainingInputs& inputs,
             Reporter* reporter) {
  ModelQueue queue(
      ModelStore(options.store), inputs.tasks,
      {options.checkpoint_dir, options.lease_seconds, !options.no_wait},
      reporter, [] { return StopSignal() != 0; });
  // Set by any of the threads.
  std::atomic<bool> failed{false};
  const auto train_some = [&] {
    at::set_num_threads(inputs.threads_per_model);  // of this thread alone
    while (std::optional<ClaimedModel> model = queue.Next()) {
      const std::string& name = model->task.name;
      reporter->SetState(name, ModelState::kRunning);
      // An error here is of the folder or the store: the model cannot be
      // trained.
      absl::Status status = model->lease.status();
      if (status.ok()) {
        status = TryToTrain(options, inputs, model->task, model->lease->get(),
                            reporter);
      }
      // A stop signal came; the next run continues this model.
      if (absl::IsCancelled(status)) {
        reporter->SetState(name, ModelState::kWaiting);
      } else if (!status.ok()) {
        reporter->SetState(name, ModelState::kFailed,
                           absl::StrCat("failed: ", status.message()));
        failed = true;
      }
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(inputs.models_at_once);
  for (int i = 0; i < inputs.models_at_once; ++i) {
    threads.emplace_back(train_some);
  }
  for (std::thread& thread : threads) thread.join();
  // As shells report a program that a signal ended.
  if (StopSignal() != 0) return 128 + StopSignal();
  return failed ? 1 : 0;
}

}  // namespace adv
