#include "model_store/trainer/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "net/process_metrics.h"

namespace adv {
namespace {

using GaugeFamily = prometheus::Family<prometheus::Gauge>;

GaugeFamily& AddGauge(prometheus::Registry& registry, const char* name,
                      const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

constexpr std::pair<ModelState, const char*> kStates[] = {
    {ModelState::kWaiting, "waiting"},
    {ModelState::kRunning, "running"},
    {ModelState::kPublished, "published"},
    {ModelState::kFailed, "failed"}};

}  // namespace

// References to the families of metrics, which live as long as the registry.
struct TrainingMetrics::Families {
  explicit Families(prometheus::Registry& registry)
      : epoch(AddGauge(registry, "adv_train_epoch",
                       "Number of the epoch that a model is in, from 1.")),
        loss(AddGauge(registry, "adv_train_loss",
                      "Mean loss: set \"training\" of the current epoch so "
                      "far, \"validation\" after the last whole one.")),
        accuracy(AddGauge(registry, "adv_train_accuracy",
                          "Share of images classified right, 0 to 1, of the "
                          "same sets.")),
        rate(AddGauge(registry, "adv_train_images_per_second",
                      "Training images per second since a model's run began "
                      "or continued; 0 when it does not run.")),
        eta(AddGauge(registry, "adv_train_eta_seconds",
                     "Seconds to the end of a model's last epoch, at most "
                     "where it may stop early; 0 when it does not run.")),
        images(prometheus::BuildCounter()
                   .Name("adv_train_images_total")
                   .Help("Training images that this process has done.")
                   .Register(registry)),
        models(AddGauge(registry, "adv_train_models",
                        "Models of this run by state: waiting, running, "
                        "published or failed.")) {}

  GaugeFamily& epoch;
  GaugeFamily& loss;
  GaugeFamily& accuracy;
  GaugeFamily& rate;
  GaugeFamily& eta;
  prometheus::Family<prometheus::Counter>& images;
  GaugeFamily& models;
};

TrainingMetrics::TrainingMetrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      families_(std::make_unique<Families>(*registry_)) {}

TrainingMetrics::~TrainingMetrics() = default;

absl::StatusOr<Address> TrainingMetrics::Serve(const Address& address) {
  const HttpHandler metrics = [this] {
    return HttpPage{200, kPrometheusText, Text()};
  };
  auto pages = PageServer::Start(address, {{"/metrics", metrics}});
  if (!pages.ok()) return pages.status();
  pages_ = *std::move(pages);
  return pages_->address();
}

void TrainingMetrics::SetState(const std::string& model, ModelState state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  states_[model] = state;
  // Every state gets its count, also 0, so that a state that empties does not
  // keep its last number.
  for (const auto& [each, name] : kStates) {
    const auto count = std::count_if(
        states_.begin(), states_.end(),
        [&each = each](const auto& entry) { return entry.second == each; });
    families_->models.Add({{"state", name}}).Set(static_cast<double>(count));
  }
  if (state != ModelState::kRunning) {
    // A later run of the model counts images from 0 again.
    images_counted_.erase(model);
    families_->rate.Add({{"model", model}}).Set(0);
    families_->eta.Add({{"model", model}}).Set(0);
  }
}

void TrainingMetrics::Update(const std::string& model,
                             const RunStatus& status) {
  const EpochProgress& progress = status.progress;
  const prometheus::Labels label = {{"model", model}};
  const prometheus::Labels training = {{"model", model}, {"set", "training"}};
  // The families have locks of their own; mutex_ is for the maps alone.
  families_->epoch.Add(label).Set(static_cast<double>(progress.epoch));
  families_->loss.Add(training).Set(progress.training_loss);
  families_->accuracy.Add(training).Set(progress.training_accuracy);
  families_->rate.Add(label).Set(status.images_per_second);
  families_->eta.Add(label).Set(status.eta_seconds);
  const std::lock_guard<std::mutex> lock(mutex_);
  // A counter can only be increased, so the last value is remembered.
  int64_t& counted = images_counted_[model];
  families_->images.Add(label).Increment(
      static_cast<double>(status.images_done - counted));
  counted = status.images_done;
}

void TrainingMetrics::SetEpoch(const std::string& model, int64_t epoch,
                               const EpochRecord& record) {
  families_->epoch.Add({{"model", model}}).Set(static_cast<double>(epoch));
  const auto set = [&](const char* name, double loss, double accuracy) {
    const prometheus::Labels labels = {{"model", model}, {"set", name}};
    families_->loss.Add(labels).Set(loss);
    families_->accuracy.Add(labels).Set(accuracy);
  };
  set("training", record.training_loss, record.training_accuracy);
  set("validation", record.validation_loss, record.validation_accuracy);
}

std::string TrainingMetrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  std::vector<prometheus::MetricFamily> process = CollectProcess();
  std::move(process.begin(), process.end(), std::back_inserter(families));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace adv
