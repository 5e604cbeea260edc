#include "engine/nn/onednn_vgg.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <utility>

#include "engine/nn/onednn_chain.h"

namespace adv {
namespace {

constexpr int64_t kTile = OnednnChain::kTile;

// What one thread needs: its maps, and the kept bytes of one image for a call
// that has no way back.
struct Desk {
  OnednnWorker worker;
  at::Tensor kept;
};

// Desks that no thread works at.
class Desks {
 public:
  explicit Desks(const OnednnChain& chain) : chain_(chain) {}

  std::unique_ptr<Desk> Take() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<Desk> desk = std::move(free_.back());
        free_.pop_back();
        return desk;
      }
    }
    return std::make_unique<Desk>(
        Desk{chain_.MakeWorker(), at::empty({chain_.kept_bytes()}, at::kByte)});
  }

  void Give(std::unique_ptr<Desk> desk) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(desk));
  }

 private:
  const OnednnChain& chain_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Desk>> free_;
};

// One call's values of all its images, in rows. There are as many as whole
// tiles have.
struct Rows {
  Rows(const OnednnChain& chain, int64_t count)
      : features(at::empty({count, chain.features()}, at::kFloat)),
        hidden(at::empty({count, chain.hidden()}, at::kFloat)),
        logits(at::empty({count, chain.classes()}, at::kFloat)) {}

  at::Tensor features;
  at::Tensor hidden;
  at::Tensor logits;
};

float* Row(const at::Tensor& tensor, int64_t row) {
  return tensor.data_ptr<float>() + row * tensor.stride(0);
}

class OnednnVgg final : public Network {
 public:
  OnednnVgg(NetworkTraits traits, std::unique_ptr<const OnednnChain> chain)
      : Network(std::move(traits)), chain_(std::move(chain)), desks_(*chain_) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor input = Prepare(images);
    return Try<at::Tensor>([&] { return Forward(input, {}).logits; });
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor input = Prepare(images);
    const at::Tensor kept =
        at::empty({images.size(0), chain_->kept_bytes()}, at::kByte);
    return Try<LogitsAndGradient>([&] {
      const Rows rows = Forward(input, kept);
      return LogitsAndGradient{rows.logits,
                               Backward(rows, kept, loss_gradient(rows.logits),
                                        images.suggest_memory_format())};
    });
  }

 private:
  // Checked, on the CPU, contiguous.
  static at::Tensor Prepare(const at::Tensor& images) {
    CheckVggImages(images);
    return images.detach().to(at::kCPU).contiguous();
  }

  template <typename T>
  static absl::StatusOr<T> Try(const std::function<T()>& work) {
    try {
      return work();
    } catch (const dnnl::error& error) {
      return absl::InternalError(absl::StrCat("oneDNN: ", error.what()));
    }
  }

  // `work` on each of 0 .. count - 1, on all of this thread's threads.
  void ForEach(int64_t count,
               const std::function<void(Desk&, int64_t)>& work) const {
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      std::unique_ptr<Desk> desk = desks_.Take();
      for (int64_t i = begin; i < end; ++i) work(*desk, i);
      desks_.Give(std::move(desk));
    });
  }

  // `kept` has a row for each image, or is undefined if none is needed.
  Rows Forward(const at::Tensor& images, const at::Tensor& kept) const {
    const int64_t count = images.size(0);
    const int64_t tiles = (count + kTile - 1) / kTile;
    Rows rows(*chain_, tiles * kTile);
    ForEach(count, [&](Desk& desk, int64_t i) {
      uint8_t* place = kept.defined()
                           ? kept.data_ptr<uint8_t>() + i * kept.stride(0)
                           : desk.kept.data_ptr<uint8_t>();
      chain_->ToFeatures(desk.worker, Row(images, i), place,
                         Row(rows.features, i));
    });
    // What fills up the last tile has no part in the others' values.
    rows.features.slice(0, count).zero_();
    ForEach(tiles, [&](Desk& desk, int64_t tile) {
      chain_->ToLogits(desk.worker, Row(rows.features, tile * kTile),
                       Row(rows.hidden, tile * kTile),
                       Row(rows.logits, tile * kTile));
    });
    rows.logits = rows.logits.narrow(0, 0, count);
    return rows;
  }

  at::Tensor Backward(const Rows& rows, const at::Tensor& kept,
                      const at::Tensor& logits_gradient,
                      at::MemoryFormat format) const {
    const int64_t count = kept.size(0);
    TORCH_CHECK(logits_gradient.sizes() == rows.logits.sizes(),
                "the gradient of the logits must be ", rows.logits.sizes(),
                ", not ", logits_gradient.sizes());
    const at::Tensor outer =
        at::zeros({rows.features.size(0), chain_->classes()}, at::kFloat);
    outer.narrow(0, 0, count).copy_(logits_gradient);
    const at::Tensor features = at::empty_like(rows.features);
    ForEach(outer.size(0) / kTile, [&](Desk& desk, int64_t tile) {
      chain_->FromLogits(desk.worker, Row(outer, tile * kTile),
                         Row(rows.hidden, tile * kTile),
                         Row(features, tile * kTile));
    });
    std::vector<int64_t> shape = traits().image_shape;
    shape.insert(shape.begin(), count);
    at::Tensor gradient =
        at::empty(shape, at::TensorOptions(at::kFloat).memory_format(format));
    ForEach(count, [&](Desk& desk, int64_t i) {
      chain_->FromFeatures(desk.worker, Row(features, i), Row(rows.features, i),
                           kept.data_ptr<uint8_t>() + i * kept.stride(0),
                           format == at::MemoryFormat::ChannelsLast,
                           Row(gradient, i));
    });
    return gradient;
  }

  const std::unique_ptr<const OnednnChain> chain_;
  mutable Desks desks_;
};

absl::StatusOr<std::unique_ptr<const OnednnChain>> MakeChain(
    const std::vector<Layer>& layers, const StateDict& parameters) {
  try {
    auto chain = std::make_unique<const OnednnChain>(
        layers, parameters, VggTraits(at::kCPU).image_shape);
    if (!chain->is_slow()) return chain;
  } catch (const dnnl::error& error) {
    return absl::UnimplementedError(absl::StrCat("oneDNN: ", error.what()));
  }
  return absl::UnimplementedError("oneDNN has no fast kernels here");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Network>> MakeOnednnVgg(
    const std::vector<Layer>& layers, const StateDict& parameters) {
  auto chain = MakeChain(layers, parameters);
  if (!chain.ok()) return chain.status();
  return std::make_shared<const OnednnVgg>(VggTraits(at::kCPU),
                                           *std::move(chain));
}

std::vector<std::string> OnednnKernels(const std::vector<Layer>& layers) {
  const auto chain = MakeChain(layers, InitialParameters(layers, 1));
  if (!chain.ok()) return {};
  return (*chain)->Kernels();
}

}  // namespace adv
