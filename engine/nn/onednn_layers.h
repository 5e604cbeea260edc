#ifndef ADV_ENGINE_NN_ONEDNN_LAYERS_H_
#define ADV_ENGINE_NN_ONEDNN_LAYERS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <utility>
#include <vector>

namespace adv {

// Memory of one thread that computes with a chain of layers. `maps` hold what
// no later step reads: values and gradients, in turns.
struct OnednnWorker {
  // Room for `scratchpad` bytes and for maps of `map` bytes.
  OnednnWorker(const dnnl::engine& engine, size_t scratchpad, size_t map);

  dnnl::stream stream;
  at::Tensor scratchpad;
  at::Tensor full;  // a map before its pooling, or that map's gradient
  at::Tensor maps[2];
};

struct OnednnLayerShape {
  int64_t images = 0;
  int64_t in = 0;       // channels
  int64_t out = 0;      // channels
  int64_t rows = 0;     // of the input
  int64_t columns = 0;  // of the input
  int64_t kernel = 0;   // odd; the convolution keeps rows and columns
  bool relu = false;    // after the convolution
  bool pool = false;    // after the ReLU: the maximum of 2x2
};

// Frozen weights, in each layout that a kernel asked for.
class OnednnWeights {
 public:
  // Contiguous float32, [out, in, kernel, kernel].
  explicit OnednnWeights(at::Tensor values) : values_(std::move(values)) {}

  // Made at the first call for `layout`; later ones share it.
  dnnl::memory In(const dnnl::engine& engine, const dnnl::memory::desc& layout);

 private:
  const at::Tensor values_;
  std::vector<dnnl::memory> packed_;
};

struct OnednnParameters {
  // `weight` [out, in, kernel, kernel] and `bias` [out], contiguous float32.
  OnednnParameters(const at::Tensor& weight, at::Tensor bias);

  OnednnWeights forward;
  // [in, out, kernel, kernel]: the weights of the convolution that leads the
  // gradient of the output to that of the input.
  OnednnWeights backward;
  at::Tensor bias;
};

// Layouts and kernels of a layer. format_tag::any lets the library choose. All
// values and gradients have the type of `input`, float32 or bfloat16; sums are
// float32.
struct OnednnChoice {
  dnnl::memory::desc input;
  dnnl::memory::desc input_gradient;
  dnnl::memory::format_tag output = dnnl::memory::format_tag::any;
  // Winograd's form of 3x3 convolutions.
  bool winograd = false;
};

// A convolution of some maps with frozen weights, and the ReLU and pooling that
// follow it. The way back is a convolution, too, with the weights turned, so
// that both have the library's kernels for inference, which lay out weights
// (and transform them to Winograd's form) once.
//
// Thread-safe; of two calls at once, each must have a worker of its own.
// Throws dnnl::error, also when there are no kernels of that choice.
class OnednnLayer {
 public:
  OnednnLayer(const dnnl::engine& engine, const OnednnLayerShape& shape,
              const OnednnChoice& choice, OnednnParameters& parameters);

  const OnednnLayerShape& shape() const { return shape_; }
  // Whether the library has nothing better than its reference kernels, which
  // are some hundred times slower.
  bool is_slow() const;
  const char* forward_kernel() const { return forward_pd_.impl_info_str(); }
  const char* backward_kernel() const { return backward_pd_.impl_info_str(); }

  dnnl::memory::desc input() const { return forward_pd_.src_desc(); }
  dnnl::memory::desc output() const;
  dnnl::memory::desc input_gradient() const;
  size_t scratchpad_bytes() const;
  size_t largest_map_bytes() const;
  // Of what the pooling's backward pass needs from the forward one.
  size_t workspace_bytes() const;

  void Forward(OnednnWorker& worker, const void* input, void* output,
               void* workspace) const;
  // `output` is that of Forward, and is read only by layers with a ReLU.
  // `output_gradient` is changed.
  void Backward(OnednnWorker& worker, const void* output, const void* workspace,
                void* output_gradient, void* input_gradient) const;

 private:
  void MakePooling();
  void MakeReluGradient();

  const OnednnLayerShape shape_;
  const dnnl::engine engine_;

  dnnl::convolution_forward::primitive_desc forward_pd_;
  dnnl::convolution_forward forward_;
  dnnl::memory forward_weights_;
  dnnl::memory bias_;
  dnnl::convolution_forward::primitive_desc backward_pd_;
  dnnl::convolution_forward backward_;
  dnnl::memory backward_weights_;

  dnnl::pooling_forward::primitive_desc pool_forward_pd_;
  dnnl::pooling_forward pool_forward_;
  dnnl::pooling_backward::primitive_desc pool_backward_pd_;
  dnnl::pooling_backward pool_backward_;
  dnnl::eltwise_backward::primitive_desc relu_backward_pd_;
  dnnl::eltwise_backward relu_backward_;
};

// Whether an image has the same bits, there and back, in each of `layers`,
// which are one layer for several numbers of images. Tries it with random
// values: a sum that is taken in another order ends in other bits.
bool SameBits(const dnnl::engine& engine,
              const std::vector<OnednnLayer>& layers);

// A description of values, float32 if nothing else is said.
dnnl::memory::desc OnednnFloats(
    const std::vector<int64_t>& shape, dnnl::memory::format_tag tag,
    dnnl::memory::data_type type = dnnl::memory::data_type::f32);

}  // namespace adv

#endif  // ADV_ENGINE_NN_ONEDNN_LAYERS_H_
