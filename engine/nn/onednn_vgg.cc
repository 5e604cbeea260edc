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

int64_t Tiles(int64_t images) { return (images + kTile - 1) / kTile; }

// Things that calls lend each other, so that none has to ask the system for
// memory: touching fresh pages costs more than the arithmetic. `T` has a
// constructor from a chain.
template <typename T>
class Lent {
 public:
  explicit Lent(const OnednnChain& chain) : chain_(chain) {}

  // The thing goes back when the pointer dies.
  std::shared_ptr<T> Borrow() {
    std::unique_ptr<T> thing;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        thing = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (thing == nullptr) thing = std::make_unique<T>(chain_);
    return {thing.release(), [this](T* returned) {
              const std::lock_guard<std::mutex> lock(mutex_);
              free_.emplace_back(returned);
            }};
  }

 private:
  const OnednnChain& chain_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

// What a thread computes with.
struct Desk {
  explicit Desk(const OnednnChain& chain)
      : worker(chain.MakeWorker()),
        kept(at::empty({OnednnChain::kMaxGroup * chain.kept_bytes()},
                       at::kByte)) {}

  OnednnWorker worker;
  at::Tensor kept;  // of a group that has no way back
};

// What a call's images leave, a row each. There are rows for whole tiles.
struct Rows {
  explicit Rows(const OnednnChain&) {}

  at::Tensor features;
  at::Tensor features_gradient;
  at::Tensor hidden;
  at::Tensor kept;
};

// `tensor` with at least so many rows, of any values.
void Fit(int64_t rows, int64_t width, at::ScalarType type, at::Tensor* tensor) {
  if (tensor->defined() && tensor->size(0) >= rows) return;
  *tensor = at::empty({rows, width}, type);
}

template <typename T = float>
T* Row(const at::Tensor& tensor, int64_t row) {
  return tensor.data_ptr<T>() + row * tensor.stride(0);
}

class OnednnVgg final : public Network {
 public:
  // `make_fast` makes what Fast gives, or null.
  OnednnVgg(NetworkTraits traits, std::unique_ptr<const OnednnChain> chain,
            std::function<std::unique_ptr<const Network>()> make_fast)
      : Network(std::move(traits)),
        chain_(std::move(chain)),
        make_fast_(std::move(make_fast)),
        desks_(*chain_),
        rows_(*chain_) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor input = Prepare(images);
    return Try<at::Tensor>([&] {
      const std::shared_ptr<Rows> rows = RowsFor(input.size(0));
      return Forward(input, images.size(0), Groups(input.size(0)), false,
                     *rows);
    });
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor input = Prepare(images);
    return Try<LogitsAndGradient>([&] {
      const std::vector<Group> groups = Groups(input.size(0));
      const std::shared_ptr<Rows> rows = RowsFor(input.size(0));
      const at::Tensor logits =
          Forward(input, images.size(0), groups, true, *rows);
      return LogitsAndGradient{
          logits, Backward(loss_gradient(logits), images.size(0), groups,
                           images.suggest_memory_format(), *rows)};
    });
  }

  const Network* Fast() const override {
    if (make_fast_) {
      std::call_once(fast_made_, [this] { fast_ = make_fast_(); });
    }
    return fast_.get();
  }

 private:
  struct Group {
    int64_t first;
    int64_t size;
  };

  // Checked, on the CPU, contiguous, filled up to whole groups.
  static at::Tensor Prepare(const at::Tensor& images) {
    CheckVggImages(images);
    at::Tensor input = images.detach().to(at::kCPU).contiguous();
    const int64_t odd = images.size(0) % OnednnChain::kMinGroup;
    if (odd == 0) return input;
    const int64_t missing = OnednnChain::kMinGroup - odd;
    return at::cat(
        {input, input.narrow(0, 0, 1).expand({missing, -1, -1, -1})});
  }

  template <typename T>
  static absl::StatusOr<T> Try(const std::function<T()>& work) {
    try {
      return work();
    } catch (const dnnl::error& error) {
      return absl::InternalError(absl::StrCat("oneDNN: ", error.what()));
    }
  }

  // Of a call that is larger than most, memory goes back to the system.
  std::shared_ptr<Rows> RowsFor(int64_t images) const {
    constexpr int64_t kMost = 256;
    return images <= kMost ? rows_.Borrow() : std::make_shared<Rows>(*chain_);
  }

  // Large ones, but enough for all threads.
  std::vector<Group> Groups(int64_t images) const {
    const int64_t threads = at::get_num_threads();
    const int64_t share = (images + threads - 1) / threads;
    std::vector<Group> groups;
    for (int64_t first = 0; first < images;) {
      const int64_t size = chain_->GroupSize(std::min(share, images - first));
      groups.push_back({first, size});
      first += size;
    }
    return groups;
  }

  // `work` on each of 0 .. count - 1, on all of this thread's threads.
  void ForEach(int64_t count,
               const std::function<void(Desk&, int64_t)>& work) const {
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      const std::shared_ptr<Desk> desk = desks_.Borrow();
      for (int64_t i = begin; i < end; ++i) work(*desk, i);
    });
  }

  // The logits of the first `count` images; the others fill up a group. With a
  // way back, `rows` has all that Backward needs.
  at::Tensor Forward(const at::Tensor& images, int64_t count,
                     const std::vector<Group>& groups, bool way_back,
                     Rows& rows) const {
    const int64_t tiles = Tiles(count);
    Fit(tiles * kTile, chain_->features(), at::kFloat, &rows.features);
    Fit(tiles * kTile, chain_->hidden(), at::kFloat, &rows.hidden);
    if (way_back) {
      Fit(images.size(0), chain_->kept_bytes(), at::kByte, &rows.kept);
    }
    ForEach(groups.size(), [&](Desk& desk, int64_t i) {
      const auto [first, size] = groups[i];
      chain_->ToFeatures(desk.worker, size, Row(images, first),
                         way_back ? Row<uint8_t>(rows.kept, first)
                                  : desk.kept.data_ptr<uint8_t>(),
                         Row(rows.features, first));
    });
    // What fills up the last tile has no part in the others' values.
    rows.features.slice(0, count, tiles * kTile).zero_();
    const at::Tensor logits =
        at::empty({tiles * kTile, chain_->classes()}, at::kFloat);
    ForEach(tiles, [&](Desk& desk, int64_t tile) {
      chain_->ToLogits(desk.worker, Row(rows.features, tile * kTile),
                       Row(rows.hidden, tile * kTile),
                       Row(logits, tile * kTile));
    });
    return logits.narrow(0, 0, count);
  }

  at::Tensor Backward(const at::Tensor& logits_gradient, int64_t count,
                      const std::vector<Group>& groups, at::MemoryFormat format,
                      Rows& rows) const {
    const int64_t tiles = Tiles(count);
    TORCH_CHECK(
        logits_gradient.sizes() == at::IntArrayRef({count, chain_->classes()}),
        "the gradient of the logits must have their shape, not ",
        logits_gradient.sizes());
    const at::Tensor outer =
        at::zeros({tiles * kTile, chain_->classes()}, at::kFloat);
    outer.narrow(0, 0, count).copy_(logits_gradient);
    Fit(tiles * kTile, chain_->features(), at::kFloat, &rows.features_gradient);
    ForEach(tiles, [&](Desk& desk, int64_t tile) {
      chain_->FromLogits(desk.worker, Row(outer, tile * kTile),
                         Row(rows.hidden, tile * kTile),
                         Row(rows.features_gradient, tile * kTile));
    });
    std::vector<int64_t> shape = traits().image_shape;
    shape.insert(shape.begin(), groups.back().first + groups.back().size);
    at::Tensor gradient =
        at::empty(shape, at::TensorOptions(at::kFloat).memory_format(format));
    ForEach(groups.size(), [&](Desk& desk, int64_t i) {
      const auto [first, size] = groups[i];
      chain_->FromFeatures(
          desk.worker, size, Row(rows.features_gradient, first),
          Row(rows.features, first), Row<uint8_t>(rows.kept, first),
          format == at::MemoryFormat::ChannelsLast, Row(gradient, first));
    });
    return gradient.narrow(0, 0, count);
  }

  const std::unique_ptr<const OnednnChain> chain_;
  const std::function<std::unique_ptr<const Network>()> make_fast_;
  mutable std::once_flag fast_made_;
  mutable std::unique_ptr<const Network> fast_;
  mutable Lent<Desk> desks_;
  mutable Lent<Rows> rows_;
};

absl::StatusOr<std::unique_ptr<const OnednnChain>> MakeChain(
    const std::vector<Layer>& layers, const StateDict& parameters,
    Precision precision) {
  const bool fast = precision == Precision::kFast;
  // The library has such kernels for older processors, too, slower than those
  // of float32.
  if (fast && dnnl::get_effective_cpu_isa() < dnnl::cpu_isa::avx512_core_bf16) {
    return absl::UnimplementedError(
        "this processor does not compute with bfloat16 (AVX512-BF16 or AMX)");
  }
  try {
    auto chain = std::make_unique<const OnednnChain>(
        layers, parameters, VggTraits(at::kCPU).image_shape,
        fast ? OnednnChain::Type::bf16 : OnednnChain::Type::f32);
    if (!chain->is_slow()) return chain;
  } catch (const dnnl::error& error) {
    return absl::InternalError(absl::StrCat("oneDNN: ", error.what()));
  }
  return absl::UnimplementedError("oneDNN has no fast kernels here");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Network>> MakeOnednnVgg(
    const std::vector<Layer>& layers, const StateDict& parameters) {
  auto chain = MakeChain(layers, parameters, Precision::kFloat32);
  if (!chain.ok()) return chain.status();
  // Few networks are ever asked for it.
  const auto make_fast = [layers,
                          parameters]() -> std::unique_ptr<const Network> {
    auto fast = MakeChain(layers, parameters, Precision::kFast);
    if (!fast.ok()) return nullptr;
    return std::make_unique<const OnednnVgg>(VggTraits(at::kCPU),
                                             *std::move(fast), nullptr);
  };
  return std::make_shared<const OnednnVgg>(VggTraits(at::kCPU),
                                           *std::move(chain), make_fast);
}

std::string OnednnVersion() {
  const dnnl::version_t* version = dnnl::version();
  return absl::StrCat(version->major, ".", version->minor, ".", version->patch);
}

std::vector<std::string> OnednnKernels(const std::vector<Layer>& layers,
                                       Precision precision) {
  const auto chain = MakeChain(layers, InitialParameters(layers, 1), precision);
  if (!chain.ok()) return {};
  return (*chain)->Kernels();
}

}  // namespace adv
