#include "server/telemetry/metrics.h"

#include <gmock/gmock.h>

#include "server/evaluations/sqlite_evaluation_store.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

using Build = std::map<std::string, std::string>;

TEST(MetricsTest, CallsAreCountedByMethodAndCode) {
  Metrics metrics(Build{{"version", "1"}});
  RpcMetrics& rpc = metrics.Rpc("adv.v1.S", "M");
  rpc.Start();
  rpc.Start();
  rpc.End(grpc::StatusCode::NOT_FOUND, .02);
  const std::string text = metrics.Text();
  const std::string of = "method=\"M\",service=\"adv.v1.S\"";
  EXPECT_THAT(text, HasSubstr("adv_build_info{version=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_started_total{" + of + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_handled_total{code=\"NOT_FOUND\"," + of +
                              "} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_in_flight{" + of + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_duration_seconds_bucket{" + of +
                              ",le=\"0.03\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_duration_seconds_bucket{" + of +
                              ",le=\"0.01\"} 0\n"));
}

TEST(MetricsTest, TheExecutorsNumbersAreAdded) {
  ExecutorOptions options;
  options.threads = 1;
  Executor executor(options);
  JobOptions job;
  job.op = "classify";
  job.cost = 3;
  ASSERT_TRUE(
      executor
          .Submit(
              job, [](const BeforePass& before_pass) { return before_pass(); },
              [](const absl::Status&) {})
          .ok());
  executor.Drain(std::chrono::seconds(10));
  ModelRegistry models{ModelRegistryOptions()};
  auto store = OpenSqliteStore({/*path=*/"", /*max_bytes=*/1'000'000});
  ASSERT_TRUE(store.ok());
  EvaluationRunner runner(&executor, store->get(), {});
  Metrics metrics(Build{{"version", "1"}});
  const PassQueue passes(1, 8);
  EndpointOptions lab;
  lab.name = "lab";
  lab.target = "localhost:1";
  const Endpoints endpoints = {{"lab", std::make_shared<Endpoint>(lab)}};
  metrics.Watch(
      {executor, models, runner, **store, passes, endpoints, c10::kCPU});
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("adv_compute_jobs_total{op=\"classify\",result="
                              "\"ok\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_queue_wait_seconds_count{lane=\"interactive"
                              "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_queue_cost_limit{lane=\"bulk\"} "));
  EXPECT_THAT(text, HasSubstr("adv_evaluations_running 0\n"));
  EXPECT_THAT(text, HasSubstr("adv_pass_images_total 0\n"));
  EXPECT_THAT(text, HasSubstr("adv_model_versions{state=\"failed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nadv_state_bytes "));
  EXPECT_THAT(text, HasSubstr("adv_state_limit_bytes 1000000\n"));
  EXPECT_THAT(text, HasSubstr("adv_device_memory_bytes{device=\"cpu\",state="
                              "\"used\"} "));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes "));
}

}  // namespace
}  // namespace adv
