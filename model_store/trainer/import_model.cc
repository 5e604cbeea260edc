#include "model_store/trainer/import_model.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "command_line/flags.h"
#include "engine/data/array_dataset.h"
#include "engine/nn/onnx.h"
#include "engine/nn/torchscript.h"
#include "model_store/durable_file.h"
#include "model_store/model_store.h"
#include "model_store/trainer/golden_outputs.h"
#include "model_store/trainer/options.h"

namespace adv {
namespace {

// The largest file that a manifest may list.
constexpr uint64_t kMaxModuleBytes = uint64_t{4} << 30;
constexpr uint64_t kMaxClassesBytes = uint64_t{1} << 20;
// Between batches, float32 rounding changes some 1e-6 of the largest logit or
// gradient, and some 1e-4 in deep networks. A mistake changes a large part of
// it.
constexpr double kMostRounding = 1e-3;

absl::Status Invalid(absl::string_view field, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", message));
}

// Reads "3x224x224": channels, height and width. False for any other text.
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

// A model name made from the file's. Publish refuses it if it does not start
// with a letter.
std::string NameOf(const std::string& file) {
  std::string name = absl::AsciiStrToLower(
      std::filesystem::path(file).stem().string().substr(0, 64));
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  return name;
}

// The names in a file, one in each line, without the blanks around them.
// Publish refuses those with control characters.
absl::StatusOr<std::vector<std::string>> ReadClasses(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxClassesBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<std::string>> names = ParseClassNames(*text);
  if (!names.ok()) {
    return Invalid("--classes",
                   absl::StrCat(path, ", ", names.status().message()));
  }
  return names;
}

absl::Status CheckBehaviour(const BatchBehaviour& behaviour,
                            bool accept_unstable) {
  if (accept_unstable) return absl::OkStatus();
  // Not even rounding may differ here: equal calls must run the same
  // operations.
  if (behaviour.between_runs > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "two equal calls differ by ", behaviour.between_runs,
        " of the largest value: the module draws random numbers or keeps "
        "state, as dropout does that was not switched to evaluation before "
        "torch.jit.save; results could not be repeated. --accept-unstable "
        "takes it all the same"));
  }
  // Also true for NaN.
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

// What a module and an endpoint have in common. The callers add what differs.
v1::ModelManifest ManifestOfImport(const ImportOptions& options,
                                   const std::vector<std::string>& classes,
                                   const std::string& format) {
  v1::ModelManifest manifest;
  manifest.set_name(!options.name.empty()
                        ? options.name
                        : NameOf(options.file.empty() ? options.endpoint_model
                                                      : options.file));
  manifest.set_format(format);
  manifest.set_architecture(format);
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
  return manifest;
}

// Publishes the one file of the model, and sets the version that it got.
absl::Status Publish(const ImportOptions& options, const std::string& file,
                     const std::string& bytes, ImportedModel* imported) {
  const absl::StatusOr<uint64_t> version =
      ModelStore(options.store).Publish(imported->manifest, {{file, bytes}});
  if (version.ok()) imported->manifest.set_version(*version);
  return version.status();
}

absl::StatusOr<ImportedModel> ImportEndpoint(
    const ImportOptions& options, const std::vector<std::string>& classes) {
  ImportedModel imported;
  imported.manifest = ManifestOfImport(options, classes, "remote");
  imported.manifest.set_access(options.decisions ? v1::MODEL_ACCESS_DECISIONS
                                                 : v1::MODEL_ACCESS_SCORES);
  // Only the endpoint's name goes into the store. The server's configuration
  // has its host, so that no model can lead a server elsewhere.
  nlohmann::json file = {{"endpoint", options.endpoint},
                         {"model", options.endpoint_model},
                         {"max_batch", options.max_batch}};
  if (!options.endpoint_version.empty()) {
    file["version"] = options.endpoint_version;
  }
  absl::Status status =
      Publish(options, kEndpointFile, file.dump(2) + "\n", &imported);
  if (!status.ok()) return status;
  return imported;
}

absl::StatusOr<ImportedModel> ImportModule(
    const ImportOptions& options, const std::vector<std::string>& classes) {
  const absl::StatusOr<std::string> bytes =
      ReadFile(options.file, kMaxModuleBytes);
  if (!bytes.ok()) return bytes.status();
  // ONNX Runtime gives no gradients, so such a model gives scores at most.
  const bool onnx = std::filesystem::path(options.file).extension() == ".onnx";
  ForeignInterface interface;
  interface.image_shape = options.image_shape;
  interface.classes = static_cast<int64_t>(classes.size());
  interface.preprocessing = options.preprocessing;
  interface.gives_probabilities = options.gives_probabilities;
  interface.access =
      options.without_gradients || onnx ? Access::kScores : Access::kGradients;
  const auto network = onnx ? LoadOnnx(*bytes, interface)
                            : LoadTorchScript(*bytes, interface, at::kCPU);
  if (!network.ok()) {
    return absl::Status(
        network.status().code(),
        absl::StrCat(options.file, ": ", network.status().message()));
  }
  // Servers rely on this for every evaluation, so it is measured and not asked.
  const absl::StatusOr<BatchBehaviour> behaviour =
      MeasureBatchBehaviour(**network);
  if (!behaviour.ok()) return behaviour.status();
  absl::Status status = CheckBehaviour(*behaviour, options.accept_unstable);
  if (!status.ok()) return status;
  absl::StatusOr<v1::GoldenOutputs> golden = MakeGolden(**network);
  if (!golden.ok()) return golden.status();
  ImportedModel imported;
  imported.behaviour = *behaviour;
  imported.manifest =
      ManifestOfImport(options, classes, onnx ? "onnx" : "torchscript");
  imported.manifest.set_access((*network)->traits().access == Access::kGradients
                                   ? v1::MODEL_ACCESS_GRADIENTS
                                   : v1::MODEL_ACCESS_SCORES);
  imported.manifest.set_exact_in_any_batch(behaviour->exact());
  *imported.manifest.mutable_golden() = *std::move(golden);
  status =
      Publish(options, onnx ? kOnnxFile : kTorchScriptFile, *bytes, &imported);
  if (!status.ok()) return status;
  return imported;
}

// The contradiction between the options; empty if there is none.
std::string Contradiction(const ImportOptions& options) {
  const bool remote = !options.endpoint.empty();
  // True if both are given, or neither.
  if (remote == !options.file.empty()) {
    return "either FILE or --endpoint is needed, and not both";
  }
  if (remote && options.endpoint_model.empty()) {
    return "--endpoint-model is needed with --endpoint";
  }
  if (remote && (options.without_gradients || options.accept_unstable)) {
    return "--without-gradients and --accept-unstable are for modules";
  }
  if (!remote && (options.decisions || !options.endpoint_model.empty() ||
                  !options.endpoint_version.empty())) {
    return "--decisions, --endpoint-model and --endpoint-version are for "
           "--endpoint";
  }
  return "";
}

void AddEndpointOptions(CLI::App& app, ImportOptions* options) {
  app.add_option("--endpoint", options->endpoint,
                 "Name of the endpoint, as the server's --endpoint has it");
  app.add_option("--endpoint-model", options->endpoint_model,
                 "Name of the model there");
  app.add_option("--endpoint-version", options->endpoint_version,
                 "Its version there. Default: that server's choice");
  app.add_option("--max-batch", options->max_batch,
                 "Images of one call to the endpoint")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--decisions", options->decisions,
               "The endpoint tells the class and no scores");
}

}  // namespace

absl::StatusOr<Preprocessing> ParsePreprocessing(const std::string& text) {
  Preprocessing preprocessing;
  // A list like the others, so that all numbers are read in one way.
  std::vector<double> range;
  std::map<std::string, std::vector<double>*> parts = {
      {"mean", &preprocessing.mean},
      {"std", &preprocessing.std},
      {"range", &range}};
  std::set<std::string> given;
  std::vector<double>* part = nullptr;  // owns the numbers to come
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
      // A word without "=" goes on with the last part: "mean=.5,.4" has two
      // numbers.
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
      "Imports a foreign model into a model store: a TorchScript module, which "
      "torch.jit.save wrote, an ONNX model (FILE.onnx), or one behind an "
      "endpoint of the Open Inference Protocol. A module is code, and is run "
      "here to measure and prove it: "
      "import none that you do not trust.",
      "advtrain import");
  app.add_option("FILE", options->file, "The module, or FILE.onnx");
  AddEndpointOptions(app, options);
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
    ParseFlags(&app, "ADV_", "Options", argc, argv);
    const std::string fault = Contradiction(*options);
    if (!fault.empty()) throw CLI::ValidationError(fault);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? 0 : kBadUsage;
    return false;
  }
  return true;
}

absl::StatusOr<ImportedModel> ImportModel(const ImportOptions& options) {
  const auto classes = ReadClasses(options.classes);
  if (!classes.ok()) return classes.status();
  return options.endpoint.empty() ? ImportModule(options, *classes)
                                  : ImportEndpoint(options, *classes);
}

}  // namespace adv
