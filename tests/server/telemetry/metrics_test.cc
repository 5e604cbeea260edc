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

TEST(MetricsTest, TheLowestRobustAccuracyOfAReportIsKept) {
  v1::EvaluationReport report;
  report.mutable_resolved()->mutable_model()->set_name("no-cat");
  report.mutable_clean_accuracy()->set_value(.75);
  for (const double robust : {.5, .25}) {
    v1::AttackResult* result = report.add_results();
    result->set_attack_name("fgsm");
    result->mutable_overall()->mutable_robust_accuracy()->set_value(robust);
  }
  Metrics metrics(Build{{"version", "1"}});
  metrics.SetAccuracies(report);
  EXPECT_THAT(metrics.Text(),
              HasSubstr("adv_evaluation_clean_accuracy_ratio{model=\"no-cat\"} "
                        "0.75\n"));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("adv_evaluation_robust_accuracy_ratio{attack=\"fgsm\","
                        "model=\"no-cat\"} 0.25\n"));
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
  auto store = OpenSqliteStore({});
  ASSERT_TRUE(store.ok());
  EvaluationRunner runner(&executor, store->get(), {});
  Metrics metrics(Build{{"version", "1"}});
  const PassQueue passes(1, 8);
  EndpointOptions lab;
  lab.name = "lab";
  lab.target = "localhost:1";
  const Endpoints endpoints = {{"lab", std::make_shared<Endpoint>(lab)}};
  metrics.Watch(executor, models, runner, passes, endpoints);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("adv_compute_jobs_total{op=\"classify\",result="
                              "\"ok\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_queue_wait_seconds_count{lane=\"interactive"
                              "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("adv_queue_cost_limit{lane=\"bulk\"} "));
  EXPECT_THAT(text, HasSubstr("adv_evaluations_running 0\n"));
  EXPECT_THAT(text, HasSubstr("adv_pass_images_total 0\n"));
  EXPECT_THAT(text, HasSubstr("adv_model_versions{state=\"failed\"} 0\n"));
}

}  // namespace
}  // namespace adv
