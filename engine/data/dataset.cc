#include "engine/data/dataset.h"

#include <ATen/ATen.h>
#include <absl/strings/escaping.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

#include "engine/data/sampling.h"

namespace adv {
namespace {

at::Tensor IndexTensor(const std::vector<int64_t>& indices) {
  return at::tensor(indices, at::kLong);
}

// The number of images that each class gives to a sample of `count`, which is
// at most the number of all images. Each class gives the same number, as far as
// it has so many. What others lack is shared out among those that have more.
// Where the rest does not divide, lower labels give one more.
std::map<int64_t, int64_t> Quotas(
    const std::map<int64_t, std::vector<int64_t>>& by_label, int64_t count) {
  std::map<int64_t, int64_t> quotas;
  int64_t left = count;
  // `count` is at most the number of images: while anything is left, some class
  // has more images, and `open` is not empty.
  while (left > 0) {
    std::vector<int64_t> open;  // labels that have more
    for (const auto& [label, indices] : by_label) {
      if (static_cast<int64_t>(indices.size()) > quotas[label]) {
        open.push_back(label);
      }
    }
    const auto classes = static_cast<int64_t>(open.size());
    const int64_t each = left / classes;
    for (int64_t k = 0; k < classes && left > 0; ++k) {
      const auto size = static_cast<int64_t>(by_label.at(open[k]).size());
      int64_t& quota = quotas[open[k]];
      // With fewer images left than classes, `each` is 0, and one image at a
      // time goes to the lowest labels until none is left.
      const int64_t more = std::min(std::max<int64_t>(each, 1), size - quota);
      quota += more;
      left -= more;
    }
  }
  return quotas;
}

}  // namespace

at::Tensor Dataset::Pixels(const std::vector<int64_t>& indices) const {
  const at::Tensor pixels =
      // Selected first, so that only these images are copied and converted.
      images.index_select(0, IndexTensor(indices))
          .to(at::kFloat, /*non_blocking=*/false, /*copy=*/false,
              at::MemoryFormat::ChannelsLast);
  return images.scalar_type() == at::kByte ? pixels.div(255) : pixels;
}

at::Tensor Dataset::Labels(const std::vector<int64_t>& indices) const {
  return labels.index_select(0, IndexTensor(indices));
}

Dataset InClassOrder(const Dataset& dataset, const std::vector<int64_t>& order,
                     const std::vector<std::string>& names) {
  Dataset ordered = dataset;
  ordered.class_names = names;
  for (size_t i = 0; i < dataset.superclasses.size(); ++i) {
    ordered.superclasses[i] = dataset.superclasses[order[i]];
  }
  // The argsort of a permutation is its inverse: places[c] is the new label of
  // class c.
  const at::Tensor places = IndexTensor(order).argsort();
  ordered.labels = places.index_select(0, dataset.labels);
  return ordered;
}

std::string DigestRecords(const at::Tensor& images, const at::Tensor& labels) {
  // Records are hashed as they lie in memory, planes one after the other.
  const at::Tensor pixels = images.contiguous();
  const int64_t count = labels.size(0);
  // CIFAR-10's own form, so that a file's digest is that of the data set.
  const bool bytes = pixels.scalar_type() == at::kByte &&
                     (count == 0 || labels.max().item<int64_t>() <= 255);
  const at::Tensor numbers =
      labels.to(bytes ? at::kByte : at::kLong).contiguous();
  const auto* label = static_cast<const uint8_t*>(numbers.data_ptr());
  const auto* pixel = static_cast<const uint8_t*>(pixels.data_ptr());
  const auto label_bytes = static_cast<int64_t>(numbers.itemsize());
  const int64_t image_bytes =
      count == 0
          ? 0
          : pixels.numel() / count * static_cast<int64_t>(pixels.itemsize());

  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(
      EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  for (int64_t i = 0; i < count; ++i) {
    EVP_DigestUpdate(hash.get(), label + i * label_bytes, label_bytes);
    EVP_DigestUpdate(hash.get(), pixel + i * image_bytes, image_bytes);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &length);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), length));
}

std::vector<int64_t> SampleIndices(const at::Tensor& labels, int64_t count,
                                   uint64_t seed) {
  const int64_t size = labels.size(0);
  std::vector<int64_t> sample;
  if (count <= 0 || count >= size) {
    sample.resize(size);
    std::iota(sample.begin(), sample.end(), 0);
    return sample;
  }
  const auto by_label = IndicesByLabel(labels);
  const std::map<int64_t, int64_t> quotas = Quotas(by_label, count);
  // One generator for all classes, in the order of labels: the order of the
  // draws is part of what a seed means.
  std::mt19937_64 random(seed);
  for (const auto& [label, indices] : by_label) {
    const std::vector<int64_t> chosen =
        Choose(indices, quotas.at(label), &random);
    sample.insert(sample.end(), chosen.begin(), chosen.end());
  }
  std::sort(sample.begin(), sample.end());
  return sample;
}

std::vector<int64_t> FirstOfEachClass(const at::Tensor& labels, int64_t count) {
  std::vector<int64_t> chosen;
  for (const auto& [label, indices] : IndicesByLabel(labels)) {
    const int64_t some =
        std::min<int64_t>(count, static_cast<int64_t>(indices.size()));
    chosen.insert(chosen.end(), indices.begin(), indices.begin() + some);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace adv
