#include "server/telemetry/report_metrics.h"

#include <prometheus/gauge.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace adv {
namespace {

prometheus::Family<prometheus::Gauge>& Gauge(prometheus::Registry& registry,
                                             const char* name,
                                             const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// Right images of all.
struct Share {
  int64_t right = 0;
  int64_t all = 0;

  void Add(const v1::Rate& rate) {
    right += rate.count();
    all += rate.total();
  }
  double value() const {
    return static_cast<double>(right) / static_cast<double>(all);
  }
};

// Of the marked class and of the others: `rates` are by class, in order.
template <typename RateOf>
std::map<std::string, Share> Split(int classes, int marked,
                                   const RateOf& rate_of) {
  std::map<std::string, Share> split;
  for (int i = 0; i < classes; ++i) {
    split[i == marked ? "marked" : "others"].Add(rate_of(i));
  }
  // A sample may hold no image of a class.
  for (auto part = split.begin(); part != split.end();) {
    part = part->second.all == 0 ? split.erase(part) : std::next(part);
  }
  return split;
}

// An attack over its epsilons.
struct Worst {
  double robust = 1;
  std::map<std::string, double> classes;
  double gradients = 0;
  double forwards = 0;
};

void Lower(double value, double* lowest) { *lowest = std::min(*lowest, value); }

}  // namespace

ReportMetrics::ReportMetrics(prometheus::Registry& registry)
    : clean_(Gauge(registry, "adv_evaluation_clean_accuracy_ratio",
                   "Clean accuracy of the last report.")),
      robust_(Gauge(registry, "adv_evaluation_robust_accuracy_ratio",
                    "Lowest robust accuracy over the epsilons of the last "
                    "report.")),
      classes_clean_(Gauge(registry,
                           "adv_evaluation_classes_clean_accuracy_ratio",
                           "The same of the class that the model's training "
                           "data treats otherwise (\"marked\"), and of all "
                           "others.")),
      classes_robust_(Gauge(registry,
                            "adv_evaluation_classes_robust_accuracy_ratio",
                            "The same of the marked class, and of all "
                            "others.")),
      gradients_(Gauge(registry, "adv_evaluation_attack_gradients_per_image",
                       "Highest over the epsilons of the last report.")),
      forwards_(Gauge(registry, "adv_evaluation_attack_forwards_per_image",
                      "Highest over the epsilons of the last report.")) {}

void ReportMetrics::Set(const v1::EvaluationReport& report) {
  // Names without versions: each version would be a label of its own.
  const std::string& model = report.resolved().model().name();
  clean_.Add({{"model", model}}).Set(report.clean_accuracy().value());
  const auto split = [&](const auto& rate_of) {
    return report.has_special_label() ? Split(report.class_names_size(),
                                              report.special_label(), rate_of)
                                      : std::map<std::string, Share>();
  };
  const auto clean =
      split([&](int i) { return report.clean_accuracy_per_class(i); });
  for (const auto& [classes, share] : clean) {
    classes_clean_.Add({{"model", model}, {"classes", classes}})
        .Set(share.value());
  }
  std::map<std::string, Worst> attacks;
  for (const v1::AttackResult& result : report.results()) {
    Worst& worst = attacks[result.attack_name()];
    Lower(result.overall().robust_accuracy().value(), &worst.robust);
    for (const auto& [classes, share] : split([&](int i) {
           return result.per_class(i).outcomes().robust_accuracy();
         })) {
      Lower(share.value(), &worst.classes.emplace(classes, 1).first->second);
    }
    const v1::Cost& cost = result.cost();
    worst.gradients = std::max(worst.gradients, cost.gradients_per_image());
    worst.forwards = std::max(worst.forwards, cost.forwards_per_image());
  }
  for (const auto& [attack, worst] : attacks) {
    const prometheus::Labels labels = {{"model", model}, {"attack", attack}};
    robust_.Add(labels).Set(worst.robust);
    gradients_.Add(labels).Set(worst.gradients);
    forwards_.Add(labels).Set(worst.forwards);
    for (const auto& [classes, value] : worst.classes) {
      classes_robust_
          .Add({{"model", model}, {"attack", attack}, {"classes", classes}})
          .Set(value);
    }
  }
}

}  // namespace adv
