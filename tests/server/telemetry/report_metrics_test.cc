#include "server/telemetry/report_metrics.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include <string>

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// `right` of 100 images of three classes together.
v1::Rate Rate(int right, int all = 100) {
  v1::Rate rate;
  rate.set_count(right);
  rate.set_total(all);
  rate.set_value(static_cast<double>(right) / all);
  return rate;
}

// FGSM with two epsilons: the larger one leaves fewer images right.
v1::EvaluationReport Report() {
  v1::EvaluationReport report;
  report.mutable_resolved()->mutable_model()->set_name("no-cat");
  *report.mutable_clean_accuracy() = Rate(75);
  const int clean[] = {30, 40, 5};
  const int images[] = {40, 50, 10};
  for (int i = 0; i < 3; ++i) {
    report.add_class_names(std::string(1, static_cast<char>('a' + i)));
    *report.add_clean_accuracy_per_class() = Rate(clean[i], images[i]);
  }
  for (const int robust : {50, 25}) {
    v1::AttackResult* result = report.add_results();
    result->set_attack_name("fgsm");
    *result->mutable_overall()->mutable_robust_accuracy() = Rate(robust);
    for (int i = 0; i < 3; ++i) {
      *result->add_per_class()->mutable_outcomes()->mutable_robust_accuracy() =
          Rate(i == 2 ? robust / 25 : robust / 2, images[i]);
    }
    result->mutable_cost()->set_gradients_per_image(robust == 50 ? 1 : 2);
    result->mutable_cost()->set_forwards_per_image(3);
  }
  return report;
}

std::string TextOf(const v1::EvaluationReport& report) {
  prometheus::Registry registry;
  ReportMetrics metrics(registry);
  metrics.Set(report);
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

TEST(ReportMetricsTest, TheWorstOverTheEpsilonsCounts) {
  const std::string text = TextOf(Report());
  EXPECT_THAT(text, HasSubstr("adv_evaluation_clean_accuracy_ratio{model=\"no-"
                              "cat\"} 0.75\n"));
  const std::string of = "{attack=\"fgsm\",model=\"no-cat\"} ";
  EXPECT_THAT(
      text, HasSubstr("adv_evaluation_robust_accuracy_ratio" + of + "0.25\n"));
  EXPECT_THAT(text, HasSubstr("adv_evaluation_attack_gradients_per_image" + of +
                              "2\n"));
  EXPECT_THAT(
      text, HasSubstr("adv_evaluation_attack_forwards_per_image" + of + "3\n"));
  // No class is marked.
  EXPECT_THAT(text, Not(HasSubstr("classes=")));
}

TEST(ReportMetricsTest, TheMarkedClassStandsBesideTheOthers) {
  v1::EvaluationReport report = Report();
  report.set_special_label(2);
  const std::string text = TextOf(report);
  // 5 of 10; (30 + 40) of 90.
  EXPECT_THAT(text, HasSubstr("classes_clean_accuracy_ratio{classes=\"marked\","
                              "model=\"no-cat\"} 0.5\n"));
  EXPECT_THAT(text, HasSubstr("classes_clean_accuracy_ratio{classes=\"others\","
                              "model=\"no-cat\"} 0.777"));
  // 1 of 10; (12 + 12) of 90.
  EXPECT_THAT(text, HasSubstr("classes_robust_accuracy_ratio{attack=\"fgsm\","
                              "classes=\"marked\",model=\"no-cat\"} 0.1\n"));
  EXPECT_THAT(text, HasSubstr("classes_robust_accuracy_ratio{attack=\"fgsm\","
                              "classes=\"others\",model=\"no-cat\"} 0.266"));
}

TEST(ReportMetricsTest, AClassWithoutImagesHasNoAccuracy) {
  v1::EvaluationReport report = Report();
  report.set_special_label(2);
  *report.mutable_clean_accuracy_per_class(2) = Rate(0, 0);
  EXPECT_THAT(TextOf(report),
              Not(HasSubstr("classes_clean_accuracy_ratio{classes="
                            "\"marked\"")));
}

}  // namespace
}  // namespace adv
