#include "model_store/trainer/import_model.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "engine/nn/torchscript.h"
#include "model_store/durable_file.h"
#include "model_store/model_store.h"
#include "model_store/trainer/golden_outputs.h"

namespace adv {
namespace {

constexpr int kBadUsage = 2;
constexpr uint64_t kMaxModuleBytes = uint64_t{4} << 30;
constexpr uint64_t kMaxClassesBytes = uint64_t{1} << 20;
// Between batches float32 rounding makes some 1e-6 of the largest logit or
// gradient, in deep networks some 1e-4; a mistake makes it a part of 1.
constexpr double kMostRounding = 1e-3;

absl::Status Invalid(absl::string_view field, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", message));
}

// "3x224x224"
bool ParseShape(const std::string& text, std::vector<int64_t>* shape) {
  shape->clear();
  for (const absl::string_view part : absl::StrSplit(text, 'x')) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(part, &size) || size < 1 || size > 65536) {
      return false;
    }
    shape->push_back(size);
  }
  return shape->size() == 3;
}

// A valid model name like that of the file.
std::string NameOf(const std::string& file) {
  std::string name = absl::AsciiStrToLower(
      std::filesystem::path(file).stem().string().substr(0, 64));
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  return name;
}

absl::StatusOr<std::vector<std::string>> ReadClasses(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxClassesBytes);
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (absl::string_view line :
       absl::StrSplit(absl::StripTrailingAsciiWhitespace(*text), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    const std::string where = absl::StrCat(path, ", line ", names.size() + 1);
    if (line.empty())
      return Invalid("--classes", absl::StrCat(where, " is empty"));
    if (!seen.insert(std::string(line)).second) {
      return Invalid("--classes",
                     absl::StrCat(where, " names a class a second time"));
    }
    names.emplace_back(line);
  }
  return names;
}

absl::Status CheckBehaviour(const BatchBehaviour& behaviour,
                            bool accept_unstable) {
  if (accept_unstable) return absl::OkStatus();
  if (behaviour.between_runs > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "two equal calls differ by ", behaviour.between_runs,
        " of the largest value: the module draws random numbers or keeps "
        "state, as dropout does that was not switched to evaluation before "
        "torch.jit.save; results could not be repeated. --accept-unstable "
        "takes it all the same"));
  }
  if (!(behaviour.between_batches <= kMostRounding)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an image's results differ by ", behaviour.between_batches,
        " of the largest value with the images beside it, far more than "
        "rounding (",
        kMostRounding,
        "), as of batch normalisation that was not switched to evaluation "
        "before torch.jit.save. --accept-unstable takes it all the same"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ModelManifest> MakeManifest(
    const ImportOptions& options, const std::vector<std::string>& classes,
    const Network& network, const BatchBehaviour& behaviour) {
  v1::ModelManifest manifest;
  manifest.set_name(options.name.empty() ? NameOf(options.file) : options.name);
  manifest.set_format("torchscript");
  manifest.set_architecture("torchscript");
  for (const std::string& name : classes) manifest.add_class_names(name);
  for (const int64_t size : options.image_shape) {
    manifest.add_image_shape(size);
  }
  manifest.set_preprocessing("transform");
  v1::InputTransform* transform = manifest.mutable_input_transform();
  const Preprocessing& given = options.preprocessing;
  transform->set_range(given.range);
  transform->mutable_mean()->Add(given.mean.begin(), given.mean.end());
  transform->mutable_std()->Add(given.std.begin(), given.std.end());
  transform->set_channel_order(given.bgr ? v1::CHANNEL_ORDER_BGR
                                         : v1::CHANNEL_ORDER_RGB);
  manifest.set_output(options.gives_probabilities
                          ? v1::MODEL_OUTPUT_PROBABILITIES
                          : v1::MODEL_OUTPUT_LOGITS);
  manifest.set_access(network.traits().access == Access::kGradients
                          ? v1::MODEL_ACCESS_GRADIENTS
                          : v1::MODEL_ACCESS_SCORES);
  manifest.set_exact_in_any_batch(behaviour.exact());
  absl::StatusOr<v1::GoldenOutputs> golden = MakeGolden(network);
  if (!golden.ok()) return golden.status();
  *manifest.mutable_golden() = *std::move(golden);
  return manifest;
}

}  // namespace

absl::StatusOr<Preprocessing> ParsePreprocessing(const std::string& text) {
  Preprocessing preprocessing;
  std::vector<double> range;
  std::map<std::string, std::vector<double>*> parts = {
      {"mean", &preprocessing.mean},
      {"std", &preprocessing.std},
      {"range", &range}};
  std::set<std::string> given;
  std::vector<double>* part = nullptr;  // that numbers belong to
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    absl::string_view value = absl::StripAsciiWhitespace(word);
    const size_t equals = value.find('=');
    if (equals != absl::string_view::npos) {
      const std::string key(value.substr(0, equals));
      value.remove_prefix(equals + 1);
      if (!given.insert(key).second) {
        return Invalid("--preprocess", absl::StrCat(key, " is given twice"));
      }
      if (key == "order" && (value == "rgb" || value == "bgr")) {
        preprocessing.bgr = value == "bgr";
        part = nullptr;
        continue;
      }
      part = parts.count(key) != 0 ? parts[key] : nullptr;
    }
    double number = 0;
    if (part == nullptr || !absl::SimpleAtod(value, &number)) {
      return Invalid(
          "--preprocess",
          absl::StrCat("'", word,
                       "' is wrong; write for example mean=.5,std=.2 "
                       "with a number for each channel, range=255 "
                       "and order=rgb or order=bgr"));
    }
    part->push_back(number);
  }
  if (range.size() > 1) {
    return Invalid("--preprocess", "range takes one number");
  }
  if (!range.empty()) preprocessing.range = range[0];
  return preprocessing;
}

bool ParseImportOptions(int argc, const char* const* argv,
                        ImportOptions* options, int* exit_code) {
  CLI::App app(
      "Imports a TorchScript module, which torch.jit.save wrote, into a model "
      "store. The module is code, and is run here to measure and prove it: "
      "import none that you do not trust.",
      "advtrain import");
  app.add_option("FILE", options->file, "The module")->required();
  app.add_option("--store", options->store, "Folder of the model store")
      ->required();
  app.add_option("--name", options->name,
                 "Name of the model. Default: like the file");
  app.add_option_function<std::string>(
         "--shape",
         [options](const std::string& text) {
           if (!ParseShape(text, &options->image_shape)) {
             throw CLI::ValidationError(
                 "--shape", absl::StrCat("'", text,
                                         "' is not CHANNELSxHEIGHTxWIDTH, for "
                                         "example 3x224x224"));
           }
         },
         "Of an image: CHANNELSxHEIGHTxWIDTH")
      ->required();
  app.add_option("--classes", options->classes,
                 "File with the name of each class in a line of its own")
      ->required();
  app.add_option_function<std::string>(
      "--preprocess",
      [options](const std::string& text) {
        auto parsed = ParsePreprocessing(text);
        if (!parsed.ok()) {
          throw CLI::ValidationError(std::string(parsed.status().message()));
        }
        options->preprocessing = *std::move(parsed);
      },
      "What the module wants of pixels in [0, 1]: mean=M,M,M,std=S,S,S of each "
      "channel, range=255 for bytes, order=bgr");
  app.add_flag("--probabilities", options->gives_probabilities,
               "The module gives probabilities, not logits");
  app.add_flag("--without-gradients", options->without_gradients,
               "Only its scores may be asked for");
  app.add_flag("--accept-unstable", options->accept_unstable,
               "Take a module whose results differ between equal calls, or "
               "with the images beside one");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? 0 : kBadUsage;
    return false;
  }
  return true;
}

absl::StatusOr<ImportedModel> ImportModel(const ImportOptions& options) {
  const absl::StatusOr<std::string> bytes =
      ReadFile(options.file, kMaxModuleBytes);
  if (!bytes.ok()) return bytes.status();
  const auto classes = ReadClasses(options.classes);
  if (!classes.ok()) return classes.status();
  TorchScriptInterface interface;
  interface.image_shape = options.image_shape;
  interface.classes = static_cast<int64_t>(classes->size());
  interface.preprocessing = options.preprocessing;
  interface.gives_probabilities = options.gives_probabilities;
  interface.access =
      options.without_gradients ? Access::kScores : Access::kGradients;
  const auto network = LoadTorchScript(*bytes, interface, at::kCPU);
  if (!network.ok()) {
    return absl::Status(
        network.status().code(),
        absl::StrCat(options.file, ": ", network.status().message()));
  }
  ImportedModel imported;
  const absl::StatusOr<BatchBehaviour> behaviour =
      MeasureBatchBehaviour(**network);
  if (!behaviour.ok()) return behaviour.status();
  imported.behaviour = *behaviour;
  absl::Status status =
      CheckBehaviour(imported.behaviour, options.accept_unstable);
  if (!status.ok()) return status;
  absl::StatusOr<v1::ModelManifest> manifest =
      MakeManifest(options, *classes, **network, imported.behaviour);
  if (!manifest.ok()) return manifest.status();
  imported.manifest = *std::move(manifest);
  const absl::StatusOr<uint64_t> version =
      ModelStore(options.store)
          .Publish(imported.manifest, {{kTorchScriptFile, *bytes}});
  if (!version.ok()) return version.status();
  imported.manifest.set_version(*version);
  return imported;
}

}  // namespace adv
