#include "model_store/trainer/reporter.h"

#include <absl/strings/str_format.h>

namespace adv {

void Reporter::SetState(const std::string& model, ModelState state,
                        const std::string& note) {
  metrics_.SetState(model, state);
  if (state != ModelState::kRunning) printer_.Remove(model);
  if (!note.empty()) printer_.Note(model, note);
}

void Reporter::Update(const std::string& model, const RunStatus& status) {
  metrics_.Update(model, status);
  printer_.Update(model, status);
}

void Reporter::EpochDone(const std::string& model, int64_t epoch,
                         int64_t max_epochs, const EpochRecord& record) {
  metrics_.SetEpoch(model, epoch, record);
  printer_.Note(
      model, absl::StrFormat(
                 "epoch %d/%d done  loss %.4f  accuracy %.4f  validation "
                 "loss %.4f  accuracy %.4f  in %s",
                 epoch, max_epochs, record.training_loss,
                 record.training_accuracy, record.validation_loss,
                 record.validation_accuracy, FormatDuration(record.seconds)));
}

}  // namespace adv
