#include "client/printers/models.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

constexpr int kCurveWidth = 60;

// Accuracy on the test images; of one class if `label` is not negative.
std::string TestAccuracy(const v1::ModelManifest& manifest, int label) {
  const v1::TestResult& test = manifest.training().test();
  if (label < 0)
    return PercentText(MakeRate(test.correct(), test.images()).value());
  const int classes = manifest.class_names_size();
  if (label >= classes || test.confusion_size() != classes * classes)
    return "–";
  std::int64_t total = 0;
  for (int k = 0; k < classes; ++k)
    total += test.confusion(label * classes + k);
  return PercentText(
      MakeRate(test.confusion(label * classes + label), total).value());
}

std::string MarkedClass(const v1::ModelManifest& manifest) {
  const v1::TrainingRecord& training = manifest.training();
  if (!training.has_special_label() || training.special_label() < 0 ||
      training.special_label() >= manifest.class_names_size()) {
    return "";
  }
  return manifest.class_names(training.special_label());
}

class Lines {
 public:
  explicit Lines(const Style& style) : style_(style) {}
  void Add(const char* name, const std::string& value) {
    if (value.empty()) return;
    absl::StrAppend(&text_, "  ", style_.Dim(PadRight(name, 13)),
                    WrapWords(value, 100, 15, 15), "\n");
  }
  const std::string& text() const { return text_; }

 private:
  const Style& style_;
  std::string text_;
};

std::string Settings(const v1::TrainingSettings& settings) {
  std::string text =
      absl::StrFormat("RMSProp at %g, batch %d, at most %d epochs, seed %d",
                      settings.learning_rate(), settings.batch_size(),
                      settings.max_epochs(), settings.seed());
  if (settings.horizontal_flips()) text += ", horizontal flips";
  for (const auto& drop : settings.learning_rate_drops()) {
    absl::StrAppendFormat(&text, ", rate x%g after %g%%", drop.factor(),
                          drop.after_fraction() * 100);
  }
  if (settings.patience() > 0) {
    absl::StrAppend(&text, ", patience ", settings.patience());
  }
  return text;
}

std::string Images(const v1::ModelManifest& manifest) {
  const auto& counts = manifest.training().training_images_per_class();
  std::vector<std::string> parts;
  for (int i = 0; i < counts.size() && i < manifest.class_names_size(); ++i) {
    parts.push_back(
        absl::StrCat(manifest.class_names(i), " ", CountText(counts[i])));
  }
  return absl::StrJoin(parts, ", ");
}

// A curve with its first and last value.
std::string Curve(const v1::TrainingRecord& training,
                  double (*value)(const v1::EpochRecord&), bool percent) {
  std::vector<double> values;
  for (const auto& epoch : training.epochs()) values.push_back(value(epoch));
  if (values.empty()) return "";
  const auto show = [&](double v) {
    return percent ? PercentText(v) + "%" : absl::StrFormat("%.3f", v);
  };
  return absl::StrCat(Sparkline(values, kCurveWidth), "  ",
                      show(values.front()), " → ", show(values.back()));
}

std::string Training(const v1::ModelManifest& manifest, const Style& style) {
  const v1::TrainingRecord& training = manifest.training();
  Lines lines(style);
  const std::string marked = MarkedClass(manifest);
  lines.Add("recipe",
            absl::StrCat(training.recipe(),
                         marked.empty() ? "" : ", marked class: ▶ " + marked,
                         ", seed ", training.recipe_seed()));
  lines.Add("data", training.dataset());
  lines.Add("images", Images(manifest));
  lines.Add("settings", Settings(training.settings()));
  lines.Add("epochs", absl::StrCat(training.epochs_size(), ", the best is ",
                                   training.best_epoch(), "; ",
                                   training.stop_reason() ==
                                           v1::STOP_REASON_EARLY_STOPPING
                                       ? "stopped early"
                                       : "all were done",
                                   "; ", DurationText(training.wall_seconds()),
                                   " on ", training.device()));
  lines.Add("software", absl::StrJoin(training.software(), ", "));
  lines.Add(
      "train loss",
      Curve(
          training, [](const v1::EpochRecord& e) { return e.training_loss(); },
          false));
  lines.Add(
      "valid. loss",
      Curve(
          training,
          [](const v1::EpochRecord& e) { return e.validation_loss(); }, false));
  lines.Add("valid. acc.", Curve(
                               training,
                               [](const v1::EpochRecord& e) {
                                 return e.validation_accuracy();
                               },
                               true));
  return lines.text();
}

std::string Confusion(const v1::ModelManifest& manifest, const Style& style) {
  const auto& counts = manifest.training().test().confusion();
  const int classes = manifest.class_names_size();
  if (classes == 0 || counts.size() != classes * classes) return "";
  std::vector<Table::Column> columns = {{"true \\ said"}};
  for (const std::string& name : manifest.class_names()) {
    columns.push_back({name.substr(0, 5), true});
  }
  columns.push_back({"right %", true});
  Table table(columns);
  const std::string marked = MarkedClass(manifest);
  for (int i = 0; i < classes; ++i) {
    std::vector<std::string> cells = {manifest.class_names(i)};
    for (int k = 0; k < classes; ++k) {
      const auto count = counts[i * classes + k];
      cells.push_back(count == 0 ? "·" : absl::StrCat(count));
    }
    cells.push_back(TestAccuracy(manifest, i));
    table.AddRow(cells, manifest.class_names(i) == marked ? Table::Row::kMarked
                                                          : Table::Row::kPlain);
  }
  return table.ToText(style);
}

}  // namespace

std::string StateText(v1::ModelState state) {
  std::string name = v1::ModelState_Name(state);
  return absl::AsciiStrToLower(name.substr(sizeof("MODEL_STATE_") - 1));
}

Table ModelTable(const v1::ListModelsResponse& response) {
  Table table({{"model"},
               {"version", true},
               {"state"},
               {"test %", true},
               {"marked class"},
               {"marked %", true},
               {"digest"},
               {"published (UTC)"}});
  for (const v1::Model& model : response.models()) {
    const v1::ModelManifest& manifest = model.manifest();
    const std::string marked = MarkedClass(manifest);
    table.AddRow(
        {model.name(), absl::StrCat(model.version()), StateText(model.state()),
         TestAccuracy(manifest, -1), marked,
         marked.empty()
             ? ""
             : TestAccuracy(manifest, manifest.training().special_label()),
         ShortId(model.digest()), TimeText(manifest.published_at())});
  }
  return table;
}

std::string ModelText(const v1::Model& model, const Style& style) {
  const v1::ModelManifest& manifest = model.manifest();
  const v1::TestResult& test = manifest.training().test();
  std::string text =
      absl::StrCat(style.Bold(absl::StrCat(model.name(), "@", model.version())),
                   "  ", StateText(model.state()), "\n");
  Lines lines(style);
  lines.Add("error", model.error());
  lines.Add("digest", model.digest());
  lines.Add("store", model.store());
  lines.Add("published",
            absl::StrCat(TimeText(manifest.published_at()), " UTC"));
  lines.Add("network", absl::StrCat(manifest.architecture(), ", ",
                                    CountText(manifest.parameter_count()),
                                    " parameters, input ",
                                    absl::StrJoin(manifest.image_shape(), "x"),
                                    ", pixels as ", manifest.preprocessing()));
  absl::StrAppend(&text, lines.text(), "\n", style.Bold("Training"), "\n",
                  Training(manifest, style), "\n", style.Bold("Test"), "\n");
  absl::StrAppendFormat(&text, "  %s of %s images right: %s %%, loss %.3f\n\n",
                        CountText(test.correct()), CountText(test.images()),
                        RateText(MakeRate(test.correct(), test.images())),
                        test.loss());
  return text + Confusion(manifest, style);
}

Table EpochTable(const v1::Model& model) {
  Table table({{"epoch"},
               {"training_loss"},
               {"training_accuracy"},
               {"validation_loss"},
               {"validation_accuracy"},
               {"wall_seconds"}});
  int number = 0;
  for (const auto& epoch : model.manifest().training().epochs()) {
    table.AddRow({absl::StrCat(++number), ExactText(epoch.training_loss()),
                  ExactText(epoch.training_accuracy()),
                  ExactText(epoch.validation_loss()),
                  ExactText(epoch.validation_accuracy()),
                  ExactText(epoch.wall_seconds())});
  }
  return table;
}

}  // namespace adv
