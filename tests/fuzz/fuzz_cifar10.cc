// Data files from outside: parsing survives anything, and what is accepted has
// the images and labels that the file holds.
#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/data/cifar10.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto dataset = adv::ParseCifar10(
      absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!dataset.ok()) return 0;
  constexpr size_t kRecord = 1 + 3 * 32 * 32;
  const size_t images = size / kRecord;
  if (dataset->images.sizes() !=
          at::IntArrayRef({static_cast<int64_t>(images), 3, 32, 32}) ||
      dataset->size() != static_cast<int64_t>(images) || images == 0) {
    std::abort();
  }
  const uint8_t* last = data + (images - 1) * kRecord;
  const at::Tensor pixels = dataset->images[static_cast<int64_t>(images) - 1];
  if (dataset->labels[static_cast<int64_t>(images) - 1].item<int64_t>() !=
          last[0] ||
      pixels[2][31][31].item<uint8_t>() != last[kRecord - 1]) {
    std::abort();
  }
  return 0;
}
