#include "engine/nn/onednn_chain.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

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

at::Tensor PlainParameter(const StateDict& parameters,
                          const std::string& name) {
  return parameters.at(name).detach().to(at::kCPU, at::kFloat).contiguous();
}

// `weight` [out, in] with its columns in the order in which a map of layout
// `map` lies in memory.
at::Tensor InMapOrder(const dnnl::engine& engine, const at::Tensor& weight,
                      const dnnl::memory::desc& map) {
  const int64_t images = map.dims().front();
  TORCH_CHECK(map.get_size() == images * weight.size(1) * sizeof(float),
              "the last map is padded");
  // Each value's place in torch's order, brought to where the value lies.
  at::Tensor order = at::arange(weight.size(1), at::kFloat).repeat({images});
  at::Tensor in_map = at::empty_like(order);
  dnnl::memory from(OnednnFloats(map.dims(), Tag::nchw), engine,
                    order.data_ptr());
  dnnl::memory to(map, engine, in_map.data_ptr());
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  const at::Tensor in_first = in_map.narrow(0, 0, weight.size(1));
  return weight.index_select(1, in_first.to(at::kLong)).contiguous();
}

// The same layout of float32 values.
dnnl::memory::desc AsFloats(dnnl::memory::desc map) {
  map.data.data_type = dnnl_f32;
  return map;
}

}  // namespace

OnednnChain::OnednnChain(const std::vector<Layer>& layers,
                         const StateDict& parameters,
                         const std::vector<int64_t>& image_shape, Type type)
    : image_shape_(image_shape), type_(type) {
  const ForOneThread one_thread;
  std::vector<Step> convolutions;
  std::vector<Step> dense;
  int64_t rows = image_shape[1];
  int64_t columns = image_shape[2];
  const auto is = [&](size_t i, LayerKind kind) {
    return i < layers.size() && layers[i].kind == kind;
  };
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const bool relu = is(i + 1, LayerKind::kRelu);
    if (layer.kind == LayerKind::kConv) {
      const bool pool = is(i + 1 + relu, LayerKind::kMaxPool);
      AppendStep(layer,
                 {1, layer.in, layer.out, rows, columns, kKernel, relu, pool},
                 parameters, &convolutions);
      rows /= pool ? 2 : 1;
      columns /= pool ? 2 : 1;
    } else if (layer.kind == LayerKind::kDense) {
      // A convolution of 1x1 over a row of kTile pixels, each of them an image.
      AppendStep(layer, {1, layer.in, layer.out, 1, kTile, 1, relu, false},
                 parameters, &dense);
    }
  }
  MakeGroups(convolutions);
  FindPlaces();
  MakeDense(dense);
}

void OnednnChain::AppendStep(const Layer& layer, const OnednnLayerShape& shape,
                             const StateDict& parameters,
                             std::vector<Step>* steps) {
  names_.push_back(layer.name);
  steps->push_back({shape, PlainParameter(parameters, layer.name + ".weight"),
                    PlainParameter(parameters, layer.name + ".bias")});
}

void OnednnChain::MakeGroups(const std::vector<Step>& steps) {
  for (int64_t images = kMinGroup; images <= kMaxGroup; images *= 2) {
    Group group;
    group.images = images;
    std::vector<int64_t> shape = image_shape_;
    shape.insert(shape.begin(), images);
    group.contiguous = OnednnFloats(shape, Tag::nchw);
    group.channels_last = OnednnFloats(shape, Tag::nhwc);
    groups_.push_back(std::move(group));
  }
  for (const Step& step : steps) AppendConvolution(step);
  for (Group& group : groups_) MakeReorders(group);
}

void OnednnChain::MakeReorders(Group& group) const {
  const dnnl::memory::desc gradient = group.layers.front().input_gradient();
  const dnnl::memory::desc output = group.layers.back().output();
  group.features = AsFloats(output);
  group.to_contiguous = Reorder(gradient, group.contiguous);
  group.to_channels_last = Reorder(gradient, group.channels_last);
  if (type_ == Type::f32) return;
  group.from_images = Reorder(group.contiguous, group.layers.front().input());
  group.to_features = Reorder(output, group.features);
  group.from_features = Reorder(group.features, output);
}

dnnl::reorder OnednnChain::Reorder(const dnnl::memory::desc& from,
                                   const dnnl::memory::desc& to) const {
  return dnnl::reorder({engine_, from, engine_, to});
}

void OnednnChain::Run(OnednnWorker& worker, const dnnl::reorder& reorder,
                      const dnnl::memory::desc& from, const void* values,
                      const dnnl::memory::desc& to, void* reordered) const {
  // oneDNN takes what it only reads by a pointer to what it might change.
  const dnnl::memory source(from, engine_, const_cast<void*>(values));
  const dnnl::memory target(to, engine_, reordered);
  reorder.execute(worker.stream,
                  {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}});
}

void OnednnChain::AppendConvolution(const Step& step) {
  // Winograd's form pays with enough channels, and has float32 kernels alone.
  constexpr int64_t kEnough = 16;
  for (const bool winograd : {true, false}) {
    if (winograd && (type_ != Type::f32 || step.shape.in < kEnough)) continue;
    OnednnParameters parameters(step.weight, step.bias);
    std::vector<OnednnLayer> layers =
        TryConvolution(step.shape, winograd, parameters);
    if (layers.empty() || !SameBits(engine_, layers)) continue;
    for (size_t i = 0; i < groups_.size(); ++i) {
      groups_[i].layers.push_back(std::move(layers[i]));
    }
    return;
  }
  throw dnnl::error(dnnl_unimplemented,
                    "no kernels whose bits do not depend on the batch");
}

std::vector<OnednnLayer> OnednnChain::TryConvolution(
    const OnednnLayerShape& shape, bool winograd,
    OnednnParameters& parameters) const {
  std::vector<OnednnLayer> layers;
  for (const Group& group : groups_) {
    const bool first = group.layers.empty();
    OnednnChoice choice;
    // The first gradient leaves the chain, so its kernels may want a layout of
    // their own; so does the input, if it is to be rounded anyway.
    const dnnl::memory::desc any =
        OnednnFloats(group.contiguous.dims(), Tag::any, type_);
    choice.input = first ? (type_ == Type::f32 ? group.contiguous : any)
                         : group.layers.back().output();
    choice.input_gradient = first ? any : choice.input;
    choice.winograd = winograd;
    OnednnLayerShape of_group = shape;
    of_group.images = group.images;
    try {
      layers.emplace_back(engine_, of_group, choice, parameters);
    } catch (const dnnl::error&) {
      return {};
    }
    if (layers.back().is_slow()) return {};
  }
  return layers;
}

void OnednnChain::FindPlaces() {
  constexpr int64_t kLine = 64;
  const auto keep = [this](int64_t bytes) {
    const int64_t place = kept_bytes_;
    kept_bytes_ += (bytes + kLine - 1) / kLine * kLine;
    return place;
  };
  // A last output that is float32 is the features. Without a ReLU the way back
  // does not ask for the values.
  const std::vector<OnednnLayer>& layers = groups_.front().layers;
  const int64_t images = groups_.front().images;
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool is_features = i + 1 == layers.size() && type_ == Type::f32;
    const bool kept = layers[i].shape().relu && !is_features;
    Place place;
    place.output = kept ? keep(layers[i].output().get_size() / images) : -1;
    place.workspace = keep(layers[i].workspace_bytes() / images);
    places_.push_back(place);
  }
}

void OnednnChain::MakeDense(const std::vector<Step>& steps) {
  const dnnl::memory::desc& map = groups_.front().features;
  for (const Step& step : steps) {
    const at::Tensor weight =
        dense_.empty() ? InMapOrder(engine_, step.weight, map) : step.weight;
    OnednnParameters parameters(weight.unsqueeze(-1).unsqueeze(-1), step.bias);
    const dnnl::memory::desc input =
        OnednnFloats({1, step.shape.in, 1, kTile}, Tag::nhwc);
    dense_.emplace_back(engine_, step.shape,
                        OnednnChoice{input, input, Tag::nhwc}, parameters);
  }
}

std::vector<const OnednnLayer*> OnednnChain::AllLayers() const {
  std::vector<const OnednnLayer*> all;
  for (const Group& group : groups_) {
    for (const OnednnLayer& layer : group.layers) all.push_back(&layer);
  }
  for (const OnednnLayer& layer : dense_) all.push_back(&layer);
  return all;
}

bool OnednnChain::is_slow() const {
  const std::vector<const OnednnLayer*> all = AllLayers();
  return std::any_of(all.begin(), all.end(),
                     [](const OnednnLayer* layer) { return layer->is_slow(); });
}

std::vector<std::string> OnednnChain::Kernels() const {
  std::vector<std::string> lines;
  const size_t convolutions = groups_.front().layers.size();
  for (size_t i = 0; i < names_.size(); ++i) {
    const OnednnLayer& layer =
        i < convolutions ? groups_.back().layers[i] : dense_[i - convolutions];
    lines.push_back(absl::StrCat(names_[i], ": forward ",
                                 layer.forward_kernel(), ", backward ",
                                 layer.backward_kernel()));
  }
  return lines;
}

OnednnWorker OnednnChain::MakeWorker() const {
  size_t scratchpad = 0;
  size_t map = 0;
  for (const OnednnLayer* layer : AllLayers()) {
    scratchpad = std::max(scratchpad, layer->scratchpad_bytes());
    map = std::max(map, layer->largest_map_bytes());
  }
  return OnednnWorker(engine_, scratchpad, map);
}

int64_t OnednnChain::GroupSize(int64_t images) const {
  int64_t size = kMinGroup;
  for (const Group& group : groups_) {
    if (group.images <= images) size = group.images;
  }
  return size;
}

const OnednnChain::Group& OnednnChain::GroupOf(int64_t images) const {
  return *std::find_if(
      groups_.begin(), groups_.end(),
      [images](const Group& group) { return group.images == images; });
}

void OnednnChain::ToFeatures(OnednnWorker& worker, int64_t group,
                             const float* images, uint8_t* kept,
                             float* features) const {
  const Group& of = GroupOf(group);
  const std::vector<OnednnLayer>& layers = of.layers;
  const bool rounds = type_ != Type::f32;
  const void* input = images;
  if (rounds) {
    // The first layer writes to the other map.
    void* rounded = worker.maps[1].data_ptr();
    Run(worker, of.from_images, of.contiguous, images, layers.front().input(),
        rounded);
    input = rounded;
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    void* output = worker.maps[i % 2].data_ptr();
    if (i + 1 == layers.size() && !rounds) {
      output = features;
    } else if (places_[i].output >= 0) {
      output = kept + group * places_[i].output;
    }
    layers[i].Forward(worker, input, output,
                      kept + group * places_[i].workspace);
    input = output;
  }
  if (rounds) {
    Run(worker, of.to_features, layers.back().output(), input, of.features,
        features);
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

void OnednnChain::FromFeatures(OnednnWorker& worker, int64_t images,
                               float* features_gradient, const float* features,
                               const uint8_t* kept, bool channels_last,
                               float* image_gradient) const {
  const Group& group = GroupOf(images);
  const size_t layers = group.layers.size();
  void* gradient = features_gradient;
  const void* output = features;
  if (type_ != Type::f32) {
    gradient = worker.maps[layers % 2].data_ptr();
    Run(worker, group.from_features, group.features, features_gradient,
        group.layers.back().output(), gradient);
    output = kept + images * places_.back().output;
  }
  for (size_t i = layers; i-- > 0;) {
    void* input_gradient = worker.maps[i % 2].data_ptr();
    group.layers[i].Backward(worker, output,
                             kept + images * places_[i].workspace, gradient,
                             input_gradient);
    gradient = input_gradient;
    if (i > 0) output = kept + images * places_[i - 1].output;
  }
  Run(worker, channels_last ? group.to_channels_last : group.to_contiguous,
      group.layers.front().input_gradient(), gradient,
      channels_last ? group.channels_last : group.contiguous, image_gradient);
  worker.stream.wait();
}

}  // namespace adv
