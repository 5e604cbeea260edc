#include "engine/nn/onednn_layers.h"

#include <ATen/ATen.h>
#include <absl/strings/match.h>

#include <algorithm>
#include <random>

namespace adv {
namespace {

using Tag = dnnl::memory::format_tag;

dnnl::primitive_attr UserScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

dnnl::primitive_attr FusedRelu(bool relu) {
  dnnl::primitive_attr attributes = UserScratchpad();
  if (relu) {
    dnnl::post_ops after;
    after.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    attributes.set_post_ops(after);
  }
  return attributes;
}

dnnl::algorithm AlgorithmOf(const OnednnChoice& choice) {
  return choice.winograd ? dnnl::algorithm::convolution_winograd
                         : dnnl::algorithm::convolution_direct;
}

dnnl::memory::desc WeightOf(int64_t out, int64_t in, int64_t kernel,
                            const OnednnChoice& choice) {
  return OnednnFloats({out, in, kernel, kernel}, Tag::any,
                      choice.input.data_type());
}

dnnl::convolution_forward::primitive_desc DescribeForward(
    const dnnl::engine& engine, const OnednnLayerShape& shape,
    const OnednnChoice& choice) {
  const int64_t padding = shape.kernel / 2;
  const dnnl::memory::desc output =
      OnednnFloats({shape.images, shape.out, shape.rows, shape.columns},
                   choice.output, choice.input.data_type());
  return {{dnnl::prop_kind::forward_inference,
           AlgorithmOf(choice),
           choice.input,
           WeightOf(shape.out, shape.in, shape.kernel, choice),
           OnednnFloats({shape.out}, Tag::a),
           output,
           {1, 1},
           {padding, padding},
           {padding, padding}},
          FusedRelu(shape.relu),
          engine};
}

dnnl::convolution_forward::primitive_desc DescribeBackward(
    const dnnl::engine& engine, const OnednnLayerShape& shape,
    const OnednnChoice& choice,
    const dnnl::convolution_forward::primitive_desc& forward) {
  const int64_t padding = shape.kernel / 2;
  return {{dnnl::prop_kind::forward_inference,
           AlgorithmOf(choice),
           forward.dst_desc(),
           WeightOf(shape.in, shape.out, shape.kernel, choice),
           choice.input_gradient,
           {1, 1},
           {padding, padding},
           {padding, padding}},
          UserScratchpad(),
          engine};
}

dnnl::memory PackedCopy(const dnnl::engine& engine, const at::Tensor& values,
                        Tag tag, const dnnl::memory::desc& layout) {
  dnnl::memory plain(OnednnFloats(values.sizes().vec(), tag), engine,
                     values.data_ptr());
  dnnl::memory packed(layout, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(plain, packed).execute(stream, plain, packed);
  stream.wait();
  return packed;
}

at::Tensor Bytes(size_t size) {
  return at::empty({static_cast<int64_t>(size)}, at::kByte);
}

}  // namespace

dnnl::memory::desc OnednnFloats(const std::vector<int64_t>& shape, Tag tag,
                                dnnl::memory::data_type type) {
  return {shape, type, tag};
}

OnednnWorker::OnednnWorker(const dnnl::engine& engine, size_t scratchpad_bytes,
                           size_t map)
    : stream(engine),
      scratchpad(Bytes(scratchpad_bytes)),
      full(Bytes(map)),
      maps{Bytes(map), Bytes(map)} {}

dnnl::memory OnednnWeights::In(const dnnl::engine& engine,
                               const dnnl::memory::desc& layout) {
  for (const dnnl::memory& packed : packed_) {
    if (packed.get_desc() == layout) return packed;
  }
  packed_.push_back(PackedCopy(engine, values_, Tag::oihw, layout));
  return packed_.back();
}

OnednnParameters::OnednnParameters(const at::Tensor& weight, at::Tensor bias)
    : forward(weight),
      backward(weight.flip({2, 3}).transpose(0, 1).contiguous()),
      bias(std::move(bias)) {}

OnednnLayer::OnednnLayer(const dnnl::engine& engine,
                         const OnednnLayerShape& shape,
                         const OnednnChoice& choice,
                         OnednnParameters& parameters)
    : shape_(shape),
      engine_(engine),
      forward_pd_(DescribeForward(engine, shape, choice)),
      forward_(forward_pd_),
      forward_weights_(
          parameters.forward.In(engine, forward_pd_.weights_desc())),
      bias_(
          PackedCopy(engine, parameters.bias, Tag::a, forward_pd_.bias_desc())),
      backward_pd_(DescribeBackward(engine, shape, choice, forward_pd_)),
      backward_(backward_pd_),
      backward_weights_(
          parameters.backward.In(engine, backward_pd_.weights_desc())) {
  if (shape.pool) MakePooling();
  if (shape.relu) MakeReluGradient();
}

void OnednnLayer::MakePooling() {
  const dnnl::memory::desc full = forward_pd_.dst_desc();
  const dnnl::memory::desc pooled = OnednnFloats(
      {shape_.images, shape_.out, shape_.rows / 2, shape_.columns / 2},
      Tag::any, full.data_type());
  pool_forward_pd_ = {{dnnl::prop_kind::forward_training,
                       dnnl::algorithm::pooling_max,
                       full,
                       pooled,
                       {2, 2},
                       {2, 2},
                       {0, 0},
                       {0, 0}},
                      UserScratchpad(),
                      engine_};
  pool_forward_ = dnnl::pooling_forward(pool_forward_pd_);
  pool_backward_pd_ = {{dnnl::algorithm::pooling_max,
                        full,
                        pool_forward_pd_.dst_desc(),
                        {2, 2},
                        {2, 2},
                        {0, 0},
                        {0, 0}},
                       UserScratchpad(),
                       engine_,
                       pool_forward_pd_};
  pool_backward_ = dnnl::pooling_backward(pool_backward_pd_);
}

// The gradient passes where the output is positive. After a pooling that is the
// same as asking the map before it, on a quarter of the values: only the
// largest of four gets a gradient, and its ReLU is the output.
void OnednnLayer::MakeReluGradient() {
  constexpr auto kRelu = dnnl::algorithm::eltwise_relu_use_dst_for_bwd;
  const dnnl::memory::desc values = output();
  const dnnl::eltwise_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, kRelu, values, 0, 0}, engine_);
  relu_backward_pd_ = {
      {kRelu, values, values, 0, 0}, UserScratchpad(), engine_, forward};
  relu_backward_ = dnnl::eltwise_backward(relu_backward_pd_);
}

bool OnednnLayer::is_slow() const {
  return absl::StartsWith(forward_kernel(), "ref") ||
         absl::StartsWith(backward_kernel(), "ref");
}

dnnl::memory::desc OnednnLayer::output() const {
  return shape_.pool ? pool_forward_pd_.dst_desc() : forward_pd_.dst_desc();
}

dnnl::memory::desc OnednnLayer::input_gradient() const {
  return backward_pd_.dst_desc();
}

size_t OnednnLayer::scratchpad_bytes() const {
  size_t bytes = std::max(forward_pd_.scratchpad_desc().get_size(),
                          backward_pd_.scratchpad_desc().get_size());
  if (shape_.pool) {
    bytes = std::max({bytes, pool_forward_pd_.scratchpad_desc().get_size(),
                      pool_backward_pd_.scratchpad_desc().get_size()});
  }
  if (shape_.relu) {
    bytes = std::max(bytes, relu_backward_pd_.scratchpad_desc().get_size());
  }
  return bytes;
}

size_t OnednnLayer::largest_map_bytes() const {
  return std::max({forward_pd_.src_desc().get_size(),
                   forward_pd_.dst_desc().get_size(),
                   input_gradient().get_size()});
}

size_t OnednnLayer::workspace_bytes() const {
  return shape_.pool ? pool_forward_pd_.workspace_desc().get_size() : 0;
}

namespace {

// oneDNN takes what it only reads by a pointer to what it might change.
dnnl::memory At(const dnnl::memory::desc& layout, const dnnl::engine& engine,
                const void* values) {
  return {layout, engine, const_cast<void*>(values)};
}

}  // namespace

void OnednnLayer::Forward(OnednnWorker& worker, const void* input, void* output,
                          void* workspace) const {
  const dnnl::memory full = At(forward_pd_.dst_desc(), engine_,
                               shape_.pool ? worker.full.data_ptr() : output);
  forward_.execute(
      worker.stream,
      {{DNNL_ARG_SRC, At(forward_pd_.src_desc(), engine_, input)},
       {DNNL_ARG_WEIGHTS, forward_weights_},
       {DNNL_ARG_BIAS, bias_},
       {DNNL_ARG_DST, full},
       {DNNL_ARG_SCRATCHPAD, At(forward_pd_.scratchpad_desc(), engine_,
                                worker.scratchpad.data_ptr())}});
  if (!shape_.pool) return;
  pool_forward_.execute(
      worker.stream,
      {{DNNL_ARG_SRC, full},
       {DNNL_ARG_DST, At(pool_forward_pd_.dst_desc(), engine_, output)},
       {DNNL_ARG_WORKSPACE,
        At(pool_forward_pd_.workspace_desc(), engine_, workspace)},
       {DNNL_ARG_SCRATCHPAD, At(pool_forward_pd_.scratchpad_desc(), engine_,
                                worker.scratchpad.data_ptr())}});
}

void OnednnLayer::Backward(OnednnWorker& worker, const void* output,
                           const void* workspace, void* output_gradient,
                           void* input_gradient) const {
  const void* scratchpad = worker.scratchpad.data_ptr();
  dnnl::memory gradient = At(this->output(), engine_, output_gradient);
  if (shape_.relu) {
    relu_backward_.execute(
        worker.stream,
        {{DNNL_ARG_DST, At(relu_backward_pd_.diff_dst_desc(), engine_, output)},
         {DNNL_ARG_DIFF_DST, gradient},
         {DNNL_ARG_DIFF_SRC, gradient},
         {DNNL_ARG_SCRATCHPAD,
          At(relu_backward_pd_.scratchpad_desc(), engine_, scratchpad)}});
  }
  if (shape_.pool) {
    const dnnl::memory full =
        At(forward_pd_.dst_desc(), engine_, worker.full.data_ptr());
    pool_backward_.execute(
        worker.stream,
        {{DNNL_ARG_DIFF_DST, gradient},
         {DNNL_ARG_DIFF_SRC, full},
         {DNNL_ARG_WORKSPACE,
          At(pool_forward_pd_.workspace_desc(), engine_, workspace)},
         {DNNL_ARG_SCRATCHPAD,
          At(pool_backward_pd_.scratchpad_desc(), engine_, scratchpad)}});
    gradient = full;
  }
  backward_.execute(
      worker.stream,
      {{DNNL_ARG_SRC, gradient},
       {DNNL_ARG_WEIGHTS, backward_weights_},
       {DNNL_ARG_DST, At(backward_pd_.dst_desc(), engine_, input_gradient)},
       {DNNL_ARG_SCRATCHPAD,
        At(backward_pd_.scratchpad_desc(), engine_, scratchpad)}});
}

namespace {

at::ScalarType TypeOf(const dnnl::memory::desc& map) {
  return map.data_type() == dnnl::memory::data_type::bf16 ? at::kBFloat16
                                                          : at::kFloat;
}

int64_t ValuesIn(const dnnl::memory::desc& map) {
  return static_cast<int64_t>(map.get_size() / c10::elementSize(TypeOf(map)));
}

at::Tensor RandomValues(const dnnl::memory::desc& map) {
  // The standard's generator, since torch's belongs to the caller.
  std::minstd_rand random(1);
  at::Tensor values = at::empty({ValuesIn(map)}, at::kFloat);
  float* value = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    value[i] = static_cast<float>(random()) / 0x1p31F - 0.5F;
  }
  return values.to(TypeOf(map));
}

struct ThereAndBack {
  at::Tensor output;
  at::Tensor input_gradient;
};

// Of as many images as there are, in as many calls as it takes.
ThereAndBack Compute(const dnnl::engine& engine, const OnednnLayer& layer,
                     const at::Tensor& input,
                     const at::Tensor& output_gradient) {
  OnednnWorker worker(engine, layer.scratchpad_bytes(),
                      layer.largest_map_bytes());
  const int64_t calls = input.numel() / ValuesIn(layer.input());
  const at::Tensor inputs = input.view({calls, -1});
  // A call changes it.
  const at::Tensor gradients = output_gradient.clone().view({calls, -1});
  const at::Tensor output = at::empty_like(gradients);
  const at::Tensor input_gradient =
      at::empty({calls, ValuesIn(layer.input_gradient())},
                TypeOf(layer.input_gradient()));
  const at::Tensor workspace = Bytes(layer.workspace_bytes());
  for (int64_t i = 0; i < calls; ++i) {
    layer.Forward(worker, inputs[i].data_ptr(), output[i].data_ptr(),
                  workspace.data_ptr());
    layer.Backward(worker, output[i].data_ptr(), workspace.data_ptr(),
                   gradients[i].data_ptr(), input_gradient[i].data_ptr());
  }
  worker.stream.wait();
  return {output.flatten(), input_gradient.flatten()};
}

}  // namespace

bool SameBits(const dnnl::engine& engine,
              const std::vector<OnednnLayer>& layers) {
  const OnednnLayer& largest = layers.back();
  const at::Tensor input = RandomValues(largest.input());
  const at::Tensor gradient = RandomValues(largest.output());
  const ThereAndBack expected = Compute(engine, largest, input, gradient);
  return std::all_of(layers.begin(), layers.end(), [&](const auto& layer) {
    const ThereAndBack found = Compute(engine, layer, input, gradient);
    return found.output.equal(expected.output) &&
           found.input_gradient.equal(expected.input_gradient);
  });
}

}  // namespace adv
