#include "engine/nn/onednn_chain.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>

// From the OpenMP library that oneDNN itself uses. Its header belongs to the
// compiler, and clang does not always come with one.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace adv {
namespace {

using Tag = dnnl::memory::format_tag;

constexpr int64_t kKernel = 3;

// While it lives, oneDNN chooses kernels for one thread. It concerns the
// calling thread alone, which at::set_num_threads would not.
class ForOneThread {
 public:
  ForOneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~ForOneThread() { omp_set_num_threads(before_); }
  ForOneThread(const ForOneThread&) = delete;
  ForOneThread& operator=(const ForOneThread&) = delete;

 private:
  const int before_;
};

dnnl::reorder OneThreadReorder(const dnnl::engine& engine,
                               const dnnl::memory::desc& from,
                               const dnnl::memory::desc& to) {
  return dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to));
}

at::Tensor Plain(const StateDict& parameters, const std::string& name) {
  return parameters.at(name).detach().to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace

OnednnChain::OnednnChain(const std::vector<Layer>& layers,
                         const StateDict& parameters,
                         const std::vector<int64_t>& image_shape) {
  const ForOneThread one_thread;
  const std::vector<int64_t> one = {1, image_shape[0], image_shape[1],
                                    image_shape[2]};
  contiguous_ = OnednnFloats(one, Tag::nchw);
  channels_last_ = OnednnFloats(one, Tag::nhwc);
  int64_t rows = image_shape[1];
  int64_t columns = image_shape[2];
  const auto is = [&](size_t i, LayerKind kind) {
    return i < layers.size() && layers[i].kind == kind;
  };
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    if (layer.kind == LayerKind::kConv) {
      const bool relu = is(i + 1, LayerKind::kRelu);
      const bool pool = is(i + 1 + relu, LayerKind::kMaxPool);
      AppendConvolution(
          {layer.in, layer.out, rows, columns, kKernel, relu, pool}, layer,
          parameters);
      if (pool) {
        rows /= 2;
        columns /= 2;
      }
    } else if (layer.kind == LayerKind::kDense) {
      AppendDense(layer, is(i + 1, LayerKind::kRelu), parameters);
    }
  }
  const dnnl::memory::desc gradient = convolutions_.front().input_gradient();
  to_contiguous_ = OneThreadReorder(engine_, gradient, contiguous_);
  to_channels_last_ = OneThreadReorder(engine_, gradient, channels_last_);
}

void OnednnChain::AppendConvolution(const OnednnLayerShape& shape,
                                    const Layer& layer,
                                    const StateDict& parameters) {
  const bool first = convolutions_.empty();
  const dnnl::memory::desc input =
      first ? contiguous_ : convolutions_.back().output();
  // Only the first gradient leaves the chain; its kernels may want a layout of
  // their own.
  const dnnl::memory::desc gradient =
      first ? OnednnFloats(contiguous_.dims(), Tag::any) : input;
  convolutions_.emplace_back(engine_, shape, input, gradient, Tag::any,
                             Plain(parameters, layer.name + ".weight"),
                             Plain(parameters, layer.name + ".bias"));
  names_.push_back(layer.name);
  Place place;
  place.output = Keep(convolutions_.back().output().get_size());
  place.workspace = Keep(convolutions_.back().workspace_bytes());
  places_.push_back(place);
}

// A convolution of 1x1 over a single row of kTile pixels, each of them an
// image's features.
void OnednnChain::AppendDense(const Layer& layer, bool relu,
                              const StateDict& parameters) {
  at::Tensor weight = Plain(parameters, layer.name + ".weight");
  if (dense_.empty()) weight = InMapOrder(weight);
  const dnnl::memory::desc input =
      OnednnFloats({1, layer.in, 1, kTile}, Tag::nhwc);
  dense_.emplace_back(
      engine_, OnednnLayerShape{layer.in, layer.out, 1, kTile, 1, relu, false},
      input, input, Tag::nhwc, weight.view({layer.out, layer.in, 1, 1}),
      Plain(parameters, layer.name + ".bias"));
  names_.push_back(layer.name);
}

int64_t OnednnChain::Keep(size_t bytes) {
  constexpr int64_t kLine = 64;
  const int64_t at = kept_bytes_;
  kept_bytes_ += (static_cast<int64_t>(bytes) + kLine - 1) / kLine * kLine;
  return at;
}

at::Tensor OnednnChain::InMapOrder(const at::Tensor& weight) const {
  const dnnl::memory::desc map = convolutions_.back().output();
  TORCH_CHECK(map.get_size() == weight.size(1) * sizeof(float),
              "the last map is padded");
  // Each value's place in torch's order, brought into the map's.
  at::Tensor order = at::arange(weight.size(1), at::kFloat);
  at::Tensor in_map = at::empty_like(order);
  dnnl::memory from(OnednnFloats(map.dims(), Tag::nchw), engine_,
                    order.data_ptr());
  dnnl::memory to(map, engine_, in_map.data_ptr());
  dnnl::stream stream(engine_);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  return weight.index_select(1, in_map.to(at::kLong)).contiguous();
}

bool OnednnChain::is_slow() const {
  const auto slow = [](const OnednnLayer& layer) { return layer.is_slow(); };
  return std::any_of(convolutions_.begin(), convolutions_.end(), slow) ||
         std::any_of(dense_.begin(), dense_.end(), slow);
}

std::vector<std::string> OnednnChain::Kernels() const {
  std::vector<std::string> lines;
  for (const std::vector<OnednnLayer>* part : {&convolutions_, &dense_}) {
    for (const OnednnLayer& layer : *part) {
      lines.push_back(absl::StrCat(names_[lines.size()], ": forward ",
                                   layer.forward_kernel(), ", backward ",
                                   layer.backward_kernel()));
    }
  }
  return lines;
}

OnednnWorker OnednnChain::MakeWorker() const {
  size_t scratchpad = 0;
  size_t map = 0;
  for (const std::vector<OnednnLayer>* part : {&convolutions_, &dense_}) {
    for (const OnednnLayer& layer : *part) {
      scratchpad = std::max(scratchpad, layer.scratchpad_bytes());
      map = std::max(map, layer.largest_map_bytes());
    }
  }
  return OnednnWorker(engine_, scratchpad, map);
}

void OnednnChain::ToFeatures(OnednnWorker& worker, const float* image,
                             uint8_t* kept, float* features) const {
  const void* input = image;
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    const OnednnLayer& layer = convolutions_[i];
    void* output = features;
    if (i + 1 < convolutions_.size()) {
      // Without a ReLU the way back does not ask for the values.
      output = layer.shape().relu ? static_cast<void*>(kept + places_[i].output)
                                  : worker.maps[i % 2].data_ptr();
    }
    layer.Forward(worker, input, output, kept + places_[i].workspace);
    input = output;
  }
  worker.stream.wait();
}

void OnednnChain::ToLogits(OnednnWorker& worker, const float* features,
                           float* hidden, float* logits) const {
  dense_.front().Forward(worker, features, hidden, nullptr);
  dense_.back().Forward(worker, hidden, logits, nullptr);
  worker.stream.wait();
}

void OnednnChain::FromLogits(OnednnWorker& worker, float* logits_gradient,
                             const float* hidden,
                             float* features_gradient) const {
  void* hidden_gradient = worker.maps[0].data_ptr();
  dense_.back().Backward(worker, nullptr, nullptr, logits_gradient,
                         hidden_gradient);
  dense_.front().Backward(worker, hidden, nullptr, hidden_gradient,
                          features_gradient);
  worker.stream.wait();
}

void OnednnChain::FromFeatures(OnednnWorker& worker, float* features_gradient,
                               const float* features, const uint8_t* kept,
                               bool channels_last,
                               float* image_gradient) const {
  void* gradient = features_gradient;
  const void* output = features;
  for (size_t i = convolutions_.size(); i-- > 0;) {
    void* input_gradient = worker.maps[i % 2].data_ptr();
    convolutions_[i].Backward(worker, output, kept + places_[i].workspace,
                              gradient, input_gradient);
    gradient = input_gradient;
    if (i > 0) output = kept + places_[i - 1].output;
  }
  const dnnl::memory from(convolutions_.front().input_gradient(), engine_,
                          gradient);
  const dnnl::memory to(channels_last ? channels_last_ : contiguous_, engine_,
                        image_gradient);
  const dnnl::reorder& reorder =
      channels_last ? to_channels_last_ : to_contiguous_;
  reorder.execute(worker.stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  worker.stream.wait();
}

}  // namespace adv
