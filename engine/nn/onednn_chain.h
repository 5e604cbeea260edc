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
// thread goes: convolutions for groups of images, dense layers for tiles. The
// dense layers are float32, the convolutions that or bfloat16 (the network of
// the same weights that is rounded to eight bits after each step).
//
// An image's values have the same bits in any group and tile. Tiles have one
// shape. Groups have several, whose kernels are tried when the chain is made:
// those that differ in a bit are not taken. All are chosen for one thread.
//
// Thread-safe; of two calls at once, each must have a worker of its own.
// Throws dnnl::error.
class OnednnChain {
 public:
  // Images that go through the dense layers together: so many share one
  // reading of their weights.
  static constexpr int64_t kTile = 8;
  // The largest group. More would no longer find their maps in the cache.
  static constexpr int64_t kMaxGroup = 16;
  // Rows of images and all else come in multiples of it: the float32 kernels
  // for a single image sum in another order than those for groups.
  static constexpr int64_t kMinGroup = 2;

  using Type = dnnl::memory::data_type;

  // `image_shape` is {channels, rows, columns}; `type` that of the
  // convolutions, f32 or bf16.
  OnednnChain(const std::vector<Layer>& layers, const StateDict& parameters,
              const std::vector<int64_t>& image_shape, Type type);

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

  // The largest size of a group that is at most `images`, at least kMinGroup.
  int64_t GroupSize(int64_t images) const;

  // A group of contiguous images to their rows of features. Fills `kept`,
  // kept_bytes() for each image. `group` is one of GroupSize's.
  void ToFeatures(OnednnWorker& worker, int64_t group, const float* images,
                  uint8_t* kept, float* features) const;
  // kTile rows of features to rows of hidden values and of logits.
  void ToLogits(OnednnWorker& worker, const float* features, float* hidden,
                float* logits) const;
  // Gradients of kTile rows of logits, which it changes, to those of features.
  void FromLogits(OnednnWorker& worker, float* logits_gradient,
                  const float* hidden, float* features_gradient) const;
  // Gradients of rows of features, which it changes, to those of the images,
  // contiguous or channels-last. `features` and `kept` are of ToFeatures for
  // the same group, whose size is `images`.
  void FromFeatures(OnednnWorker& worker, int64_t images,
                    float* features_gradient, const float* features,
                    const uint8_t* kept, bool channels_last,
                    float* image_gradient) const;

 private:
  // Where what a convolution leaves lies among a single image's kept bytes.
  // Those of a group have all images' outputs of one layer side by side, so
  // that the group's size is a factor of both.
  struct Place {
    int64_t output = 0;  // -1: nowhere
    int64_t workspace = 0;
  };

  // The convolutions for one number of images.
  struct Group {
    int64_t images = 0;
    std::vector<OnednnLayer> layers;
    dnnl::memory::desc contiguous;     // the images
    dnnl::memory::desc channels_last;  // the same
    dnnl::memory::desc features;       // float32, as the last layer lays it out
    dnnl::reorder to_contiguous;       // from the layout of their gradient
    dnnl::reorder to_channels_last;
    // Between float32 and bfloat16, for a chain that needs them.
    dnnl::reorder from_images;
    dnnl::reorder to_features;
    dnnl::reorder from_features;
  };

  // A convolution or a dense layer before its kernels are chosen.
  struct Step {
    OnednnLayerShape shape;
    at::Tensor weight;
    at::Tensor bias;
  };

  void AppendStep(const Layer& layer, const OnednnLayerShape& shape,
                  const StateDict& parameters, std::vector<Step>* steps);
  void MakeGroups(const std::vector<Step>& steps);
  void MakeReorders(Group& group) const;
  // From one layout to another, of this engine.
  dnnl::reorder Reorder(const dnnl::memory::desc& from,
                        const dnnl::memory::desc& to) const;
  void Run(OnednnWorker& worker, const dnnl::reorder& reorder,
           const dnnl::memory::desc& from, const void* values,
           const dnnl::memory::desc& to, void* reordered) const;
  // The next layer of all groups, by the first algorithm that computes it and
  // gives the same bits in all of them.
  void AppendConvolution(const Step& step);
  // It for each group; none if there is no such kernel.
  std::vector<OnednnLayer> TryConvolution(const OnednnLayerShape& shape,
                                          bool winograd,
                                          OnednnParameters& parameters) const;
  void FindPlaces();
  void MakeDense(const std::vector<Step>& steps);
  const Group& GroupOf(int64_t images) const;
  // Of all groups, and the dense ones.
  std::vector<const OnednnLayer*> AllLayers() const;

  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  const std::vector<int64_t> image_shape_;
  const Type type_;
  std::vector<std::string> names_;  // of convolutions, then of dense layers
  std::vector<Group> groups_;       // from small to large
  std::vector<Place> places_;       // of each convolution
  std::vector<OnednnLayer> dense_;
  int64_t kept_bytes_ = 0;
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_ONEDNN_CHAIN_H_
