#include "engine/nn/initial_weights.h"

#include <ATen/core/Tensor.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cstdint>
#include <map>
#include <utility>

namespace adv {
namespace {

// A parameter of our network and its name in torchvision's VGG16.
struct Slot {
  std::string name;         // "conv3.weight"
  std::string torchvision;  // "features.5.weight"; empty if it has none
};

// All parameters in layer order, the weight of a layer before its bias.
std::vector<Slot> SlotsOf(const std::vector<Layer>& layers) {
  std::vector<Slot> slots;
  int index = 0;  // in torchvision's `features`
  for (const Layer& layer : layers) {
    const bool conv = layer.kind == LayerKind::kConv;
    if (layer.has_parameters()) {
      // Dense layers have no name there: torchvision's are for 7x7 maps.
      for (const char* part : {".weight", ".bias"}) {
        slots.push_back({layer.name + part,
                         conv ? absl::StrCat("features.", index, part) : ""});
      }
    }
    // Torchvision numbers all entries of `features`, also those without
    // parameters. Our dropouts do not count, since its `features` has none.
    const bool counts = conv || layer.kind == LayerKind::kRelu ||
                        layer.kind == LayerKind::kMaxPool;
    if (counts) ++index;
  }
  return slots;
}

// The reason that the user reads behind a key of the file.
std::string WhySkipped(const std::string& key) {
  if (absl::StartsWith(key, "classifier.")) {
    return "a head for other images";
  }
  if (absl::StartsWith(key, "features.")) return "no such layer here";
  return "no such parameter here";
}

// Reads `entry` for a parameter of `shape`, or adds what is wrong with it.
void Load(const SafetensorsEntry& entry, const std::vector<int64_t>& shape,
          at::Tensor* parameter, std::vector<std::string>* problems) {
  if (entry.shape != shape) {
    problems->push_back(
        absl::StrCat(entry.name, " is [", absl::StrJoin(entry.shape, ", "),
                     "], must be [", absl::StrJoin(shape, ", "), "]"));
    return;
  }
  absl::StatusOr<at::Tensor> values = ReadSafetensor(entry);
  if (values.ok()) {
    *parameter = *std::move(values);
  } else {
    problems->push_back(std::string(values.status().message()));
  }
}

// An error that lists the names to look for: ours, and torchvision's where the
// parameter has one.
absl::Status NothingFits(const std::vector<Slot>& slots, size_t tensors) {
  std::vector<std::string> wanted;
  for (const Slot& slot : slots) {
    wanted.push_back(slot.torchvision.empty()
                         ? slot.name
                         : absl::StrCat(slot.name, " or ", slot.torchvision));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("initial weights: none of the file's ", tensors,
                   " tensors belongs to the architecture: the names must be ",
                   absl::StrJoin(wanted, ", ")));
}

}  // namespace

absl::StatusOr<InitialWeights> LoadInitialWeights(
    const std::vector<Layer>& layers, absl::string_view file_bytes) {
  const absl::StatusOr<std::vector<SafetensorsEntry>> entries =
      ListSafetensors(file_bytes);
  if (!entries.ok()) return entries.status();
  // Each slot takes its entries out; what is left at the end was skipped.
  std::map<std::string, const SafetensorsEntry*> unused;
  for (const SafetensorsEntry& entry : *entries) unused[entry.name] = &entry;

  const auto shapes = ParameterShapes(layers);
  const std::vector<Slot> slots = SlotsOf(layers);
  InitialWeights weights;
  std::vector<std::string> problems;
  for (const Slot& slot : slots) {
    auto found = unused.extract(slot.name);
    decltype(found) other;
    if (!slot.torchvision.empty()) other = unused.extract(slot.torchvision);
    // Nobody can say which of the two was meant.
    if (found && other) {
      problems.push_back(absl::StrCat(slot.torchvision, " and ", slot.name,
                                      " are the same parameter"));
      continue;
    }
    if (!found) found = std::move(other);
    if (!found) {
      weights.absent.push_back(slot.name);
      continue;
    }
    // Recorded under the file's own name, so that people find it there.
    weights.loaded.push_back(found.key());
    Load(*found.mapped(), shapes.at(slot.name), &weights.parameters[slot.name],
         &problems);
  }
  // All problems come in one message, so that one try shows them all.
  if (!problems.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("initial weights do not fit the architecture: ",
                     absl::StrJoin(problems, "; ")));
  }
  if (weights.loaded.empty()) return NothingFits(slots, entries->size());
  for (const SafetensorsEntry& entry : *entries) {
    if (unused.count(entry.name) == 0) continue;
    weights.skipped.push_back(
        absl::StrCat(entry.name, ": ", WhySkipped(entry.name)));
  }
  return weights;
}

}  // namespace adv
