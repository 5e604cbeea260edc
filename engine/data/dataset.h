#ifndef ADV_ENGINE_DATA_DATASET_H_
#define ADV_ENGINE_DATA_DATASET_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace adv {

// Beside a data set of one's own, the superclass of each class, one in each
// line, in the order of the labels.
inline constexpr char kSuperclassesFile[] = "superclasses.txt";

// Labelled images. A value: copies share the (never modified) tensors.
struct Dataset {
  std::string name;                      // "cifar10-sample"
  std::vector<std::string> class_names;  // index = label
  // Of each class, what it belongs to ("animals"); empty where the data set
  // groups them not.
  std::vector<std::string> superclasses;
  // [N, channels, height, width], uint8, or float32 in [0, 1]
  at::Tensor images;
  at::Tensor labels;  // [N] int64
  // SHA-256 in hex of the records (label byte, then the pixels' planes), so
  // that for one CIFAR-10 file it is the file's own sha256sum. With float32
  // pixels, or labels above 255, a label has 8 bytes, little-endian.
  std::string digest;

  int64_t size() const { return labels.defined() ? labels.size(0) : 0; }

  // The images at `indices` as float32 pixels in [0, 1] (a byte over 255),
  // channels-last, as networks compute with them.
  at::Tensor Pixels(const std::vector<int64_t>& indices) const;
  // The labels at `indices`.
  at::Tensor Labels(const std::vector<int64_t>& indices) const;
};

// The same images with the classes in another order: class i of the result is
// class order[i] of `dataset`, and is called names[i]. `order` is a permutation
// of its classes.
Dataset InClassOrder(const Dataset& dataset, const std::vector<int64_t>& order,
                     const std::vector<std::string>& names);

// The digest of Dataset::digest.
std::string DigestRecords(const at::Tensor& images, const at::Tensor& labels);

// `count` of the indices 0 .. size-1 in rising order, the same for the same
// seed: the same number of each class, within one image, as far as it has so
// many; others make up for those that have fewer. All of them if count is 0 or
// >= size.
std::vector<int64_t> SampleIndices(const at::Tensor& labels, int64_t count,
                                   uint64_t seed);

// The indices of the first `count` images of each class, or all that there are,
// in rising order. `labels` [N] int64.
std::vector<int64_t> FirstOfEachClass(const at::Tensor& labels, int64_t count);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_DATASET_H_
