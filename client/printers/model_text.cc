// One model for people.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/evaluations/comparison.h"
#include "client/evaluations/protocol.h"
#include "client/printers/models.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

constexpr int kModelWidth = 80;
constexpr int kCurveWidth = 30;
constexpr std::size_t kShortName = 4;  // ten classes in one line

// Lines of a name and a value. Long values wrap.
class Lines {
 public:
  explicit Lines(const Style& style) : style_(style) {}
  // A line without a value is left out: old manifests have fewer facts.
  void Add(const char* name, const std::string& value) {
    if (value.empty()) return;
    absl::StrAppend(&text_, "  ", style_.Dim(PadRight(name, 13)),
                    WrapWords(value, kModelWidth, 15, 15), "\n");
  }
  const std::string& text() const { return text_; }

 private:
  const Style& style_;
  std::string text_;
};

// The format of a model that is not one of this project's networks, and what a
// server needs for it.
std::string Format(const v1::ModelManifest& manifest) {
  const std::string& format = manifest.format();
  if (format.empty() || format == "vgg") return "";
  if (format == "torchscript") {
    return absl::StrCat(format, ", which is code: a server runs it only with ",
                        "--allow-code-models");
  }
  // The manifest does not have the endpoint's name.
  if (format == "remote") {
    return absl::StrCat(format, ", behind an endpoint that a server knows by ",
                        "its --endpoint");
  }
  return format;
}

// What can be asked of the model, and whether an image gets the same bits in
// every batch. Manifests without a format do not say it.
std::string Access(const v1::ModelManifest& manifest) {
  if (manifest.format().empty()) return "";
  const char* const gives =
      manifest.access() == v1::MODEL_ACCESS_DECISIONS ? "decisions"
      : manifest.access() == v1::MODEL_ACCESS_SCORES  ? "scores"
                                                      : "gradients";
  return absl::StrCat(gives, ", ",
                      manifest.exact_in_any_batch() ? "exact" : "not exact",
                      " in any batch");
}

// What happens to the pixels before the network sees them.
std::string Transform(const v1::ModelManifest& manifest) {
  if (!manifest.has_input_transform()) return manifest.preprocessing();
  const v1::InputTransform& transform = manifest.input_transform();
  std::string text = absl::StrCat("pixels to ", transform.range());
  if (!transform.mean().empty()) {
    absl::StrAppend(&text, ", less ", absl::StrJoin(transform.mean(), ", "));
  }
  if (!transform.std().empty()) {
    absl::StrAppend(&text, ", by ", absl::StrJoin(transform.std(), ", "));
  }
  if (transform.channel_order() == v1::CHANNEL_ORDER_BGR) text += ", BGR";
  return text;
}

// One long line; empty if no settings were recorded.
std::string Settings(const v1::TrainingSettings& settings) {
  const std::string protocol = ProtocolText(settings);
  if (protocol.empty()) return "";
  std::string text = absl::StrFormat(
      "%s: RMSProp at %g, rho %g, epsilon %g, decay %g per update, batch %d, "
      "at most %d epochs, %g %% for validation, seed %d",
      protocol, settings.learning_rate(), settings.rho(),
      settings.optimizer_epsilon(), settings.decay_per_update(),
      settings.batch_size(), settings.max_epochs(),
      settings.validation_fraction() * 100, settings.seed());
  for (const auto& drop : settings.learning_rate_drops()) {
    absl::StrAppendFormat(&text, ", rate x%g after %g %%", drop.factor(),
                          drop.after_fraction() * 100);
  }
  if (settings.has_adversarial()) {
    const v1::AdversarialTraining& adversarial = settings.adversarial();
    absl::StrAppendFormat(
        &text,
        ", trained on examples by %s, %d steps of %.3g/255, clean images "
        "weigh %g",
        AdversarialText(adversarial), adversarial.steps(),
        adversarial.step_size() * 255, adversarial.clean_weight());
  }
  // Patience 0 means that training never stops early.
  text += settings.horizontal_flips() ? ", horizontal flips" : ", no flips";
  if (settings.patience() == 0) return text + ", no early stopping";
  absl::StrAppendFormat(&text, ", patience %d for a fall of %g",
                        settings.patience(), settings.min_delta());
  return text;
}

// "cat 1,000, dog 5,000": the training images of each class. Both lists come
// from the manifest, and one may be shorter.
std::string Images(const v1::ModelManifest& manifest) {
  const auto& counts = manifest.training().training_images_per_class();
  std::vector<std::string> parts;
  for (int i = 0; i < counts.size() && i < manifest.class_names_size(); ++i) {
    parts.push_back(
        absl::StrCat(manifest.class_names(i), " ", CountText(counts[i])));
  }
  return absl::StrJoin(parts, ", ");
}

// The number of epochs and which of them was kept; empty if neither is
// recorded.
std::string Epochs(const v1::TrainingRecord& training) {
  if (training.epochs().empty() && training.best_epoch() == 0) return "";
  std::string text = absl::StrCat(training.epochs_size(), ", the best is ",
                                  training.best_epoch());
  const std::string stopped = StopText(training.stop_reason());
  if (!stopped.empty()) absl::StrAppend(&text, "; stopped ", stopped);
  return text;
}

// "1:02:03, CPU: ..., 2 threads", as far as it was recorded.
std::string Machine(const v1::TrainingRecord& training) {
  std::vector<std::string> parts;
  if (training.wall_seconds() > 0) {
    parts.push_back(DurationText(training.wall_seconds()));
  }
  if (!training.device().empty()) parts.push_back(training.device());
  if (training.threads() > 0) {
    parts.push_back(absl::StrCat(training.threads(), " thread",
                                 training.threads() == 1 ? "" : "s"));
  }
  return absl::StrJoin(parts, ", ");
}

// The file of the initial weights and what was loaded from it; empty if
// training began with random weights.
std::string Start(const v1::TrainingRecord& training) {
  if (!training.has_initial_weights()) return "";
  const v1::InitialWeights& weights = training.initial_weights();
  return absl::StrCat(weights.file(), ", sha256 ", ShortId(weights.sha256()),
                      ": ", absl::StrJoin(weights.loaded_keys(), ", "));
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
  lines.Add("train sha256", training.training_data_sha256());
  lines.Add("test sha256", training.test_data_sha256());
  lines.Add("images", Images(manifest));
  lines.Add("settings", Settings(training.settings()));
  lines.Add("starts from", Start(training));
  lines.Add("epochs", Epochs(training));
  lines.Add("time", Machine(training));
  lines.Add("software", absl::StrJoin(training.software(), ", "));
  return lines.text();
}

// Adds one row to the table of curves. A diverged run has values that are not
// finite; they do not count for the extremes.
void AddCurve(const v1::TrainingRecord& training, const char* name,
              double (v1::EpochRecord::*value)() const, bool percent,
              Table* table) {
  std::vector<double> values, finite;
  for (const auto& epoch : training.epochs()) {
    values.push_back((epoch.*value)());
    if (std::isfinite(values.back())) finite.push_back(values.back());
  }
  const auto show = [&](double v) {
    return percent ? PercentText(v) + "%" : absl::StrFormat("%.3f", v);
  };
  std::vector<std::string> cells = {
      name, Sparkline(values, kCurveWidth), "–", "–", "–", show(values.back())};
  if (!finite.empty()) {
    cells[2] = show(*std::min_element(finite.begin(), finite.end()));
    cells[3] = show(*std::max_element(finite.begin(), finite.end()));
  }
  const std::size_t best = training.best_epoch();  // from 1; 0: not recorded
  if (best >= 1 && best <= values.size()) cells[4] = show(values[best - 1]);
  table->AddRow(cells);
}

// A line for each curve over the epochs, and a mark below the best epoch.
std::string Curves(const v1::TrainingRecord& training, const Style& style) {
  const int epochs = training.epochs_size();
  if (epochs == 0) return "";
  using Epoch = v1::EpochRecord;
  Table table({{"by epoch"},
               {""},
               {"min", true},
               {"max", true},
               {"best", true},
               {"last", true}});
  AddCurve(training, "train loss", &Epoch::training_loss, false, &table);
  AddCurve(training, "valid. loss", &Epoch::validation_loss, false, &table);
  AddCurve(training, "train acc.", &Epoch::training_accuracy, true, &table);
  AddCurve(training, "valid. acc.", &Epoch::validation_accuracy, true, &table);
  const int best = static_cast<int>(training.best_epoch());
  if (best >= 1 && best <= epochs) {
    const int column = SparklineColumn(best - 1, epochs, kCurveWidth);
    table.AddRow({absl::StrCat("best: ", best),
                  std::string(static_cast<std::size_t>(column), ' ') + "▲"});
  }
  return table.ToText(style) + "\n";
}

// One row for each set of images that the model was tested on. Sets without
// images are left out.
std::string Tests(const v1::TrainingRecord& training, const Style& style) {
  Table table({{"images of"},
               {"images", true},
               {"right %"},
               {"loss", true},
               {"sha256"}});
  const auto add = [&table](const std::string& name, const v1::TestResult& test,
                            const std::string& digest) {
    if (test.images() == 0) return;
    table.AddRow({name, CountText(test.images()),
                  RateText(MakeRate(test.correct(), test.images())),
                  absl::StrFormat("%.4f", test.loss()), ShortId(digest)});
  };
  add(absl::StrCat(training.dataset(), ", test"), training.test(),
      training.test_data_sha256());
  for (const v1::OtherTest& other : training.other_tests()) {
    add(other.dataset(), other.result(), other.data_sha256());
  }
  return table.ToText(style) + "\n";
}

// The first characters of a text. It cuts whole characters, never bytes.
std::string Beginning(const std::string& text, std::size_t characters) {
  std::size_t bytes = text.size();
  while (DisplayWidth(text.substr(0, bytes)) > characters) --bytes;
  return text.substr(0, bytes);
}

// Rows by true label, columns by prediction. A dot stands for 0, so that the
// mistakes stand out. Empty if the manifest's counts do not fit its classes.
std::string Confusion(const v1::ModelManifest& manifest, const Style& style) {
  const auto& counts = manifest.training().test().confusion();
  const int classes = manifest.class_names_size();
  if (classes == 0 || counts.size() != classes * classes) return "";
  std::vector<Table::Column> columns = {{"true/said"}};
  for (const std::string& name : manifest.class_names()) {
    columns.push_back({Beginning(Visible(name), kShortName), true});
  }
  columns.push_back({"recall", true});
  Table table(columns);
  const std::string marked = MarkedClass(manifest);
  for (int i = 0; i < classes; ++i) {
    std::vector<std::string> cells = {manifest.class_names(i)};
    for (int k = 0; k < classes; ++k) {
      const auto count = counts[i * classes + k];
      cells.push_back(count == 0 ? "·" : absl::StrCat(count));
    }
    // The share of the class that was recognised: the diagonal over the row's
    // sum.
    const auto recall = ClassAccuracy(manifest, manifest.class_names(i));
    cells.push_back(recall ? PercentText(recall->value()) : "–");
    table.AddRow(cells, manifest.class_names(i) == marked ? Table::Row::kMarked
                                                          : Table::Row::kPlain);
  }
  return table.ToText(style);
}

}  // namespace

std::string ModelText(const v1::Model& model, const Style& style) {
  const v1::ModelManifest& manifest = model.manifest();
  Lines lines(style);
  lines.Add("error", model.error());
  lines.Add("digest", model.digest());
  lines.Add("store", model.store());
  const std::string published = TimeText(manifest.published_at());
  lines.Add("published", published.empty() ? "" : published + " UTC");
  std::string network = manifest.architecture();
  if (manifest.parameter_count() > 0) {
    absl::StrAppend(&network, ", ", CountText(manifest.parameter_count()),
                    " parameters");
  }
  absl::StrAppend(&network, ", input ",
                  absl::StrJoin(manifest.image_shape(), "x"), ", pixels as ",
                  Transform(manifest));
  lines.Add("network", network);
  lines.Add("format", Format(manifest));
  lines.Add("gives", Access(manifest));
  const v1::TrainingRecord& training = manifest.training();
  std::string head = absl::StrCat(
      style.Bold(Visible(absl::StrCat(model.name(), "@", model.version()))),
      "  ", StateText(model.state()), "\n", lines.text());
  if (!manifest.has_training()) return head;
  return absl::StrCat(head, "\n", style.Bold("Training"), "\n",
                      Training(manifest, style), "\n", Curves(training, style),
                      style.Bold("Test"), "\n", Tests(training, style),
                      Confusion(manifest, style));
}

}  // namespace adv
