#ifndef ADV_ENGINE_NN_ONEDNN_CHAIN_H_
#define ADV_ENGINE_NN_ONEDNN_CHAIN_H_

#include <cstdint>
#include <dnnl.hpp>
#include <string>
#include <vector>

#include "engine/nn/onednn_layers.h"
#include "engine/nn/vgg.h"

namespace adv {

// A frozen network's layers from image to logits and back, as far as a single
// thread goes: convolutions image by image, dense layers by tiles of images.
//
// Both have one shape, whatever the batch, so that neither its size nor an
// image's neighbours can change a bit.
//
// Thread-safe; of two calls at once, each must have a worker of its own.
// Throws dnnl::error.
class OnednnChain {
 public:
  // Images that go through the dense layers together: so many share one
  // reading of their weights.
  static constexpr int64_t kTile = 8;

  // `image_shape` is {channels, rows, columns}.
  OnednnChain(const std::vector<Layer>& layers, const StateDict& parameters,
              const std::vector<int64_t>& image_shape);

  // Whether the library has nothing better than its reference kernels for one
  // of the layers.
  bool is_slow() const;
  // "conv1: forward <kernel>, backward <kernel>", one a layer.
  std::vector<std::string> Kernels() const;

  OnednnWorker MakeWorker() const;
  int64_t features() const { return dense_.front().shape().in; }
  int64_t hidden() const { return dense_.front().shape().out; }
  int64_t classes() const { return dense_.back().shape().out; }
  // Bytes of what an image's way back needs of its way there.
  int64_t kept_bytes() const { return kept_bytes_; }

  // One contiguous image to its row of features. Fills `kept`.
  void ToFeatures(OnednnWorker& worker, const float* image, uint8_t* kept,
                  float* features) const;
  // kTile rows of features to rows of hidden values and of logits.
  void ToLogits(OnednnWorker& worker, const float* features, float* hidden,
                float* logits) const;
  // Gradients of kTile rows of logits, which it changes, to those of features.
  void FromLogits(OnednnWorker& worker, float* logits_gradient,
                  const float* hidden, float* features_gradient) const;
  // A row's gradient, which it changes, to the gradient of its image, which is
  // contiguous or channels-last.
  void FromFeatures(OnednnWorker& worker, float* features_gradient,
                    const float* features, const uint8_t* kept,
                    bool channels_last, float* image_gradient) const;

 private:
  // Where what a layer leaves lies among the kept bytes of an image.
  struct Place {
    int64_t output = 0;
    int64_t workspace = 0;
  };

  void AppendConvolution(const OnednnLayerShape& shape, const Layer& layer,
                         const StateDict& parameters);
  void AppendDense(const Layer& layer, bool relu, const StateDict& parameters);
  int64_t Keep(size_t bytes);
  // `weight` [out, in] of the first dense layer with its columns in the order
  // in which the last map lies in memory.
  at::Tensor InMapOrder(const at::Tensor& weight) const;

  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::vector<std::string> names_;
  std::vector<OnednnLayer> convolutions_;
  std::vector<Place> places_;  // of each convolution
  std::vector<OnednnLayer> dense_;
  dnnl::memory::desc contiguous_;     // an image
  dnnl::memory::desc channels_last_;  // the same
  dnnl::reorder to_contiguous_;       // from the layout of its gradient
  dnnl::reorder to_channels_last_;
  int64_t kept_bytes_ = 0;
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_ONEDNN_CHAIN_H_
