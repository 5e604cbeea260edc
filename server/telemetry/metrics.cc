#include "server/telemetry/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <vector>

#include "server/telemetry/collect_stats.h"

namespace adv {
namespace {

// Up to the default limit of images in a request.
const prometheus::Histogram::BucketBoundaries kImageBounds = {1,  4,   16,
                                                              64, 256, 1024};

// Seconds since the epoch, the unit of Prometheus.
double StartTime() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Metrics::Metrics(const std::map<std::string, std::string>& build)
    : rpc_(registry_),
      request_images_(prometheus::BuildHistogram()
                          .Name("adv_request_images")
                          .Help("Images of one request.")
                          .Register(registry_)),
      images_(prometheus::BuildCounter()
                  .Name("adv_images_total")
                  .Help("Images of requests that were answered, by model and "
                        "attack; attack \"none\" is Classify.")
                  .Register(registry_)),
      gradients_(prometheus::BuildCounter()
                     .Name("adv_attack_gradients_total")
                     .Help("Gradient passes of requests that were answered, "
                           "counted per image.")
                     .Register(registry_)),
      clean_accuracy_(prometheus::BuildGauge()
                          .Name("adv_evaluation_clean_accuracy_ratio")
                          .Help("Clean accuracy of the last report.")
                          .Register(registry_)),
      robust_accuracy_(prometheus::BuildGauge()
                           .Name("adv_evaluation_robust_accuracy_ratio")
                           .Help("Lowest robust accuracy over the epsilons of "
                                 "the last report.")
                           .Register(registry_)) {
  prometheus::BuildGauge()
      .Name("adv_build_info")
      .Help("Versions; always 1.")
      .Register(registry_)
      .Add(build)
      .Set(1);
  prometheus::BuildGauge()
      .Name("adv_start_time_seconds")
      .Help("When the server started, since the epoch.")
      .Register(registry_)
      .Add({})
      .Set(StartTime());
}

void Metrics::CountClassified(const std::string& model, int64_t images) {
  const auto count = static_cast<double>(images);
  request_images_.Add({{"op", "classify"}}, kImageBounds).Observe(count);
  // Add gives the counter of these labels, and makes it only the first time.
  images_.Add({{"model", model}, {"attack", "none"}}).Increment(count);
}

void Metrics::CountAttacked(const std::string& model, const std::string& attack,
                            int64_t images, int64_t gradients) {
  const auto count = static_cast<double>(images);
  const prometheus::Labels labels = {{"model", model}, {"attack", attack}};
  request_images_.Add({{"op", "generate"}}, kImageBounds).Observe(count);
  images_.Add(labels).Increment(count);
  gradients_.Add(labels).Increment(static_cast<double>(gradients));
}

void Metrics::SetAccuracies(const v1::EvaluationReport& report) {
  // Names without versions: each version would be a label of its own.
  const std::string& model = report.resolved().model().name();
  clean_accuracy_.Add({{"model", model}}).Set(report.clean_accuracy().value());
  std::map<std::string, double> lowest;
  for (const v1::AttackResult& result : report.results()) {
    const double robust = result.overall().robust_accuracy().value();
    // An attack may stand in the plan several times; it has one gauge.
    const auto [entry, added] = lowest.emplace(result.attack_name(), robust);
    if (!added) entry->second = std::min(entry->second, robust);
  }
  for (const auto& [attack, robust] : lowest) {
    robust_accuracy_.Add({{"model", model}, {"attack", attack}}).Set(robust);
  }
}

void Metrics::Watch(const Executor& executor, const ModelRegistry& models,
                    const EvaluationRunner& evaluations,
                    const PassQueue& passes, const Endpoints& endpoints) {
  // The parts report to the metrics, so the metrics are made first and learn of
  // the parts later.
  executor_ = &executor;
  models_ = &models;
  evaluations_ = &evaluations;
  passes_ = &passes;
  endpoints_ = &endpoints;
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  const auto append = [&](std::vector<prometheus::MetricFamily> more) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  };
  // These parts keep their numbers themselves and are asked at each scrape.
  // They are null until Watch was called.
  if (passes_ != nullptr) append(CollectPasses(passes_->stats()));
  if (endpoints_ != nullptr) {
    std::map<std::string, EndpointStats> stats;
    for (const auto& [name, endpoint] : *endpoints_) {
      stats[name] = endpoint->stats();
    }
    append(CollectEndpoints(stats));
  }
  if (executor_ != nullptr) append(CollectExecutor(executor_->stats()));
  if (models_ != nullptr) {
    append(
        CollectModels(models_->stats(), models_->List(), models_->Serving()));
  }
  if (evaluations_ != nullptr) {
    append(CollectEvaluations(evaluations_->stats()));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace adv
