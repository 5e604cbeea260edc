#include "server/telemetry/metrics.h"

#include <prometheus/text_serializer.h>

#include <chrono>
#include <iterator>
#include <vector>

#include "net/process_metrics.h"
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
      reports_(registry_),
      security_(registry_) {
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

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  const auto append = [&](std::vector<prometheus::MetricFamily> more) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  };
  append(CollectProcess());
  if (watched_) {
    append(CollectPasses(watched_->passes.stats()));
    std::map<std::string, EndpointStats> endpoints;
    for (const auto& [name, endpoint] : watched_->endpoints) {
      endpoints[name] = endpoint->stats();
    }
    append(CollectEndpoints(endpoints));
    append(CollectExecutor(watched_->executor.stats()));
    const ModelRegistry& models = watched_->models;
    append(CollectModels(models.stats(), models.List(), models.Serving()));
    append(CollectEvaluations(watched_->evaluations.stats()));
    // A store that does not answer has no size.
    if (const auto size = watched_->store.Size(); size.ok()) {
      append(CollectStore(*size));
    }
    append(CollectDevice(watched_->device));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace adv
