#include "server/telemetry/collect_stats.h"

#include <limits>
#include <map>
#include <string>
#include <utility>

namespace adv {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// By the number of the lane.
constexpr std::array<const char*, kLanes> kLaneNames = {"interactive", "bulk"};

// Builds a family: one name, and a metric for each set of labels.
class Family {
 public:
  Family(const char* name, const char* help, MetricType type) {
    family_.name = name;
    family_.help = help;
    family_.type = type;
  }

  Family& Add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    // A metric has a field for each type. The serializer reads the one that the
    // family's type says.
    (family_.type == MetricType::Counter ? metric.counter.value
                                         : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  Family& Add(Labels labels, int64_t value) {
    return Add(std::move(labels), static_cast<double>(value));
  }

  // The counts of SecondsHistogram are not cumulative, those of Prometheus are.
  Family& Add(Labels labels, const SecondsHistogram& seconds) {
    ClientMetric metric;
    metric.label = std::move(labels);
    // Prometheus's buckets are cumulative, and the last one has no bound.
    uint64_t below = 0;
    for (size_t i = 0; i < seconds.counts.size(); ++i) {
      below += seconds.counts[i];
      const bool last = i == SecondsHistogram::kBounds.size();
      metric.histogram.bucket.push_back(
          {below, last ? std::numeric_limits<double>::infinity()
                       : SecondsHistogram::kBounds[i]});
    }
    metric.histogram.sample_count = below;
    metric.histogram.sample_sum = seconds.sum;
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  // A conversion, so that the functions below can list families in braces.
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator MetricFamily() const { return family_; }

 private:
  MetricFamily family_;
};

Family Counter(const char* name, const char* help) {
  return {name, help, MetricType::Counter};
}
Family Gauge(const char* name, const char* help) {
  return {name, help, MetricType::Gauge};
}
Family Histogram(const char* name, const char* help) {
  return {name, help, MetricType::Histogram};
}

// All metrics of a family must stand together, so each family gets both lanes
// before the next.
std::vector<MetricFamily> CollectLanes(const ExecutorStats& stats) {
  Family jobs = Gauge("adv_queue_jobs", "Jobs that wait.");
  Family cost = Gauge("adv_queue_cost",
                      "Images times passes that wait; a gradient is 2.");
  Family cost_limit = Gauge("adv_queue_cost_limit", "Most cost that may wait.");
  Family bytes = Gauge("adv_queue_bytes", "Bytes of images that wait.");
  Family bytes_limit =
      Gauge("adv_queue_bytes_limit", "Most bytes that may wait.");
  Family accepted = Counter("adv_queue_accepted_total", "Jobs taken in.");
  Family rejected =
      Counter("adv_queue_rejected_total", "Jobs refused, by reason.");
  Family wait = Histogram("adv_queue_wait_seconds",
                          "Time from a job's arrival to its start or end.");
  for (int i = 0; i < kLanes; ++i) {
    const LaneStats& lane = stats.lanes[i];
    const ClientMetric::Label name{"lane", kLaneNames[i]};
    // The reasons are a fixed set, so that labels stay bounded.
    const auto rejected_for = [&](const char* reason, int64_t count) {
      rejected.Add({name, {"reason", reason}}, count);
    };
    jobs.Add({name}, lane.queued_jobs);
    cost.Add({name}, lane.queued_cost);
    cost_limit.Add({name}, lane.limits.cost);
    bytes.Add({name}, lane.queued_bytes);
    bytes_limit.Add({name}, lane.limits.bytes);
    accepted.Add({name}, lane.accepted);
    rejected_for("full", lane.rejected_full);
    rejected_for("too_large", lane.rejected_too_large);
    rejected_for("deadline", lane.rejected_deadline);
    rejected_for("draining", lane.rejected_draining);
    wait.Add({name}, lane.wait);
  }
  return {jobs, cost, cost_limit, bytes, bytes_limit, accepted, rejected, wait};
}

}  // namespace

std::vector<MetricFamily> CollectExecutor(const ExecutorStats& stats) {
  std::vector<MetricFamily> families = CollectLanes(stats);
  Family jobs = Counter("adv_compute_jobs_total", "Jobs ended, by result.");
  Family seconds = Counter("adv_compute_seconds_total", "Time computing.");
  for (const auto& [op, of] : stats.ops) {
    // A lambda of C++17 cannot capture a structured binding by its own name.
    const auto add = [&, &name = op](const char* result, int64_t count) {
      jobs.Add({{"op", name}, {"result", result}}, count);
    };
    // Every job that has ended is here, also one that ended before it began.
    add("ok", of.succeeded);
    add("cancelled", of.cancelled);
    add("deadline_exceeded", of.deadline_exceeded);
    add("failed", of.failed);
    seconds.Add({{"op", op}}, of.busy_seconds);
  }
  // An int would fit both overloads of Add for numbers, hence the casts below.
  const std::vector<MetricFamily> more = {
      jobs,
      seconds,
      Gauge("adv_executor_threads", "Threads that jobs run on.")
          .Add({}, static_cast<double>(stats.threads)),
      Gauge("adv_executor_intra_op_threads", "Threads within one operation.")
          .Add({}, static_cast<double>(stats.intra_op_threads)),
      Gauge("adv_executor_running_jobs", "Jobs that compute now.")
          .Add({}, stats.running_jobs),
      Counter("adv_executor_busy_seconds_total",
              "Time computing, over all threads.")
          .Add({}, stats.busy_seconds),
      Counter("adv_executor_exceptions_total", "Exceptions that jobs threw.")
          .Add({}, stats.exceptions),
      Counter("adv_wasted_passes_total",
              "Passes whose result nobody wanted any more.")
          .Add({}, stats.wasted_passes),
      Counter("adv_wasted_seconds_total", "Time of the wasted passes.")
          .Add({}, stats.wasted_seconds)};
  families.insert(families.end(), more.begin(), more.end());
  return families;
}

std::vector<MetricFamily> CollectModels(
    const ModelRegistryStats& stats, const std::vector<v1::Model>& models,
    const std::map<std::string, bool>& serving) {
  // Both states are there from the start, so that a gauge falls to 0 and does
  // not vanish. Versions that are not loaded have no state.
  std::map<v1::ModelState, int64_t> states = {{v1::MODEL_STATE_READY, 0},
                                              {v1::MODEL_STATE_FAILED, 0}};
  for (const v1::Model& model : models) {
    const auto state = states.find(model.state());
    if (state != states.end()) ++state->second;
  }
  Family by_name =
      Gauge("adv_model_ready", "1 if a version of the model serves.");
  for (const auto& [name, serves] : serving) {
    by_name.Add({{"model", name}}, serves ? 1.0 : 0.0);
  }
  return {
      by_name,
      Gauge("adv_model_versions", "Versions in the stores, by state.")
          .Add({{"state", "ready"}}, states[v1::MODEL_STATE_READY])
          .Add({{"state", "failed"}}, states[v1::MODEL_STATE_FAILED]),
      Counter("adv_model_loads_total", "Versions loaded.").Add({}, stats.loads),
      Counter("adv_model_load_failures_total", "Versions that did not load.")
          .Add({}, stats.load_failures),
      Counter("adv_model_load_seconds_total", "Time of loading.")
          .Add({}, stats.load_seconds),
      Counter("adv_model_digest_changes_total",
              "Published versions whose weights changed: tampering.")
          .Add({}, stats.digest_changes)};
}

std::vector<MetricFamily> CollectPasses(const PassQueue::Stats& stats) {
  // Images over passes computed says how well these are filled.
  return {Counter("adv_passes_total", "Passes through networks computed.")
              .Add({}, stats.passes),
          Counter("adv_pass_requests_total",
                  "Passes asked for; small ones share a pass, large ones "
                  "take several.")
              .Add({}, stats.asked),
          Counter("adv_pass_images_total", "Images in the passes.")
              .Add({}, stats.rows)};
}

std::vector<MetricFamily> CollectEndpoints(
    const std::map<std::string, EndpointStats>& stats) {
  Family queries =
      Counter("adv_endpoint_queries_total",
              "Images sent to the endpoint, each time that they were.");
  Family calls = Counter("adv_endpoint_calls_total", "Calls of the endpoint.");
  Family failures =
      Counter("adv_endpoint_failures_total", "Calls that failed.");
  Family retries =
      Counter("adv_endpoint_retries_total", "Calls that repeat another.");
  Family in_flight =
      Gauge("adv_endpoint_calls_in_flight", "Calls of the endpoint now.");
  Family seconds =
      Counter("adv_endpoint_seconds_total", "Time of all its calls.");
  Family held = Counter("adv_endpoint_held_seconds_total",
                        "Time that calls waited for the limit of queries.");
  for (const auto& [name, of] : stats) {
    const ClientMetric::Label label{"endpoint", name};
    queries.Add({label}, of.queries);
    calls.Add({label}, of.calls);
    failures.Add({label}, of.failures);
    retries.Add({label}, of.retries);
    in_flight.Add({label}, of.in_flight);
    seconds.Add({label}, of.seconds);
    held.Add({label}, of.held_seconds);
  }
  return {queries, calls, failures, retries, in_flight, seconds, held};
}

std::vector<MetricFamily> CollectEvaluations(
    const EvaluationRunnerStats& stats) {
  Family images = Gauge("adv_evaluation_running_images",
                        "Images of the evaluations that run now.");
  Family done = Gauge("adv_evaluation_running_images_done",
                      "Those of them that are done.");
  Family left = Gauge("adv_evaluation_remaining_seconds",
                      "Expected time until the last of them ends; not there "
                      "while nothing is known.");
  for (const auto& [model, of] : stats.by_model) {
    const ClientMetric::Label label{"model", model};
    images.Add({label}, of.images);
    done.Add({label}, of.images_done);
    if (of.seconds_left >= 0) left.Add({label}, of.seconds_left);
  }
  Family queue = Gauge("adv_queue_tiles",
                       "Tiles of the shared store's evaluations, of all "
                       "servers, that wait or that a server has taken.");
  if (stats.queue) {
    queue.Add({{"state", "waiting"}}, stats.queue->waiting)
        .Add({{"state", "taken"}}, stats.queue->taken);
  }
  return {images,
          done,
          left,
          queue,
          Gauge("adv_evaluations_running", "Evaluations that run now.")
              .Add({}, stats.running),
          Counter("adv_evaluations_total", "Evaluations ended, by state.")
              .Add({{"state", "succeeded"}}, stats.succeeded)
              .Add({{"state", "failed"}}, stats.failed)
              .Add({{"state", "cancelled"}}, stats.cancelled),
          Counter("adv_evaluation_images_total", "Samples evaluated.")
              .Add({}, stats.images),
          Histogram("adv_evaluation_duration_seconds",
                    "Computing time of evaluations that succeeded.")
              .Add({}, stats.seconds)};
}

std::vector<MetricFamily> CollectStore(const StoreSize& size) {
  Family limit = Gauge("adv_state_limit_bytes",
                       "Most that the evaluation store may keep.");
  if (size.limit > 0) limit.Add({}, size.limit);
  return {Gauge("adv_state_bytes", "What the evaluation store keeps.")
              .Add({}, size.used),
          limit};
}

std::vector<MetricFamily> CollectDevice(c10::Device device) {
  const DeviceMemory memory = MemoryOf(device);
  const ClientMetric::Label label{"device", device.str()};
  return {Gauge("adv_device_memory_bytes",
                "Memory of the device that computes, of all processes.")
              .Add({label, {"state", "used"}}, memory.used)
              .Add({label, {"state", "total"}}, memory.total)};
}

}  // namespace adv
