#include "server/models/served_model.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cmath>
#include <utility>
#include <vector>

#include "engine/nn/golden.h"
#include "server/compute/exceptions.h"
#include "server/compute/remote_network.h"

namespace adv {
namespace {

// A manifest must not make a load compute for long.
constexpr uint32_t kMostGoldenImages = 64;

// The manifest must describe the network that came out.
absl::Status CheckDescription(const v1::ModelManifest& manifest,
                              const Network& network) {
  if (manifest.class_names_size() != network.traits().classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "class_names of the manifest has ", manifest.class_names_size(),
        " names, but the network has ", network.traits().classes, " classes"));
  }
  const std::vector<int64_t> shape(manifest.image_shape().begin(),
                                   manifest.image_shape().end());
  if (shape != network.traits().image_shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("image_shape of the manifest is [",
                     absl::StrJoin(shape, ", "), "], but the network takes [",
                     absl::StrJoin(network.traits().image_shape, ", "), "]"));
  }
  return absl::OkStatus();
}

absl::Status CheckGoldenShape(const v1::GoldenOutputs& golden,
                              int64_t classes) {
  if (golden.image_count() < 1 || golden.image_count() > kMostGoldenImages) {
    return absl::InvalidArgumentError(absl::StrCat(
        "golden.image_count of the manifest is ", golden.image_count(),
        ", must be 1 to ", kMostGoldenImages));
  }
  if (golden.logits_size() != golden.image_count() * classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("golden.logits of the manifest has ", golden.logits_size(),
                     " values, must have ", golden.image_count() * classes));
  }
  // Negated, so that NaN fails.
  if (!(golden.tolerance() > 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("golden.tolerance of the manifest is ", golden.tolerance(),
                     ", must be above 0"));
  }
  return absl::OkStatus();
}

// The self-test computes the publisher's logits again and compares them. It
// also warms the network up, so that the first request is not slow.
absl::Status CheckGolden(const v1::GoldenOutputs& golden,
                         const Network& network) {
  const int64_t classes = network.traits().classes;
  if (absl::Status status = CheckGoldenShape(golden, classes); !status.ok()) {
    return status;
  }
  const int64_t count = golden.image_count();
  const absl::StatusOr<at::Tensor> found =
      network.Logits(GoldenInputs(count, network.traits().image_shape));
  if (!found.ok()) return found.status();
  const at::Tensor logits = found->to(at::kCPU, at::kFloat).contiguous();
  const float* computed = logits.data_ptr<float>();
  double worst = 0;
  for (int64_t i = 0; i < count * classes; ++i) {
    const double difference =
        std::abs(double{computed[i]} - double{golden.logits(i)});
    // Negated, because NaN compares false: it must count as worst.
    if (!(difference <= worst)) worst = difference;
  }
  if (!(worst <= golden.tolerance())) {
    return absl::DataLossError(
        absl::StrCat("the golden self-test failed: logits differ by ", worst,
                     " from the manifest's, tolerance ", golden.tolerance()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ServedModel>> Build(
    const StoredModel& stored, const std::string& store,
    const ModelLoaderOptions& options,
    const std::shared_ptr<PassQueue>& passes) {
  absl::StatusOr<std::shared_ptr<const Network>> network =
      LoadNetwork(stored, options);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckDescription(stored.manifest, **network);
      !status.ok()) {
    return status;
  }
  const auto remote = std::dynamic_pointer_cast<const RemoteNetwork>(*network);
  // A remote model's manifest may come from someone who does not have the
  // model: golden outputs are then optional.
  if (remote == nullptr || stored.manifest.has_golden()) {
    absl::Status status = CheckGolden(stored.manifest.golden(), **network);
    if (!status.ok()) return status;
  }
  auto model = std::make_shared<ServedModel>();
  model->manifest = stored.manifest;
  model->digest = stored.digest();
  model->store = store;
  if (remote != nullptr) {
    // No pass queue: these passes wait for an endpoint and not for a core.
    model->network = remote;
    model->network_for = [remote](const Asker& asker) {
      return std::shared_ptr<const Network>(remote->For(asker));
    };
  } else if (passes == nullptr) {
    model->network = *network;
  } else {
    // Both go through one queue, which computes their passes together.
    model->network = std::make_shared<BatchingNetwork>(*network, passes);
    model->urgent_network =
        std::make_shared<BatchingNetwork>(*network, passes, Urgency::kUrgent);
  }
  return model;
}

}  // namespace

v1::ModelReference ServedModel::reference() const {
  v1::ModelReference reference;
  reference.set_name(manifest.name());
  reference.set_version(manifest.version());
  reference.set_digest(digest);
  return reference;
}

std::string ServedModel::full_name() const {
  return absl::StrCat(manifest.name(), "@", manifest.version());
}

absl::StatusOr<std::shared_ptr<const ServedModel>> BuildServedModel(
    const StoredModel& stored, const std::string& store,
    const ModelLoaderOptions& options,
    const std::shared_ptr<PassQueue>& passes) {
  absl::StatusOr<std::shared_ptr<const ServedModel>> model;
  // LibTorch throws at files that are not what the manifest says.
  const absl::Status status = CatchExceptions([&] {
    model = Build(stored, store, options, passes);
    return model.status();
  });
  if (!status.ok()) return status;
  return model;
}

}  // namespace adv
