// Data sets from outside beside CIFAR-10's files: parsing survives anything,
// and what is accepted is good enough for the engine. A letter picks the file,
// its bytes follow: N, an array (.npy); C, names of classes; S, superclasses.
#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "engine/data/array_dataset.h"
#include "engine/data/npy.h"

namespace {

void FuzzArray(const std::string& bytes) {
  const auto array = adv::ParseNpy(bytes);
  if (!array.ok()) return;
  if (!array->is_contiguous() || array->nbytes() > bytes.size()) std::abort();
  // The same array as images and as labels: at most one of the two fits.
  const auto dataset = adv::MakeArrayDataset(*array, *array, {"a", "b"});
  if (dataset.ok()) std::abort();
  const auto labelled = adv::MakeArrayDataset(
      *array, at::zeros({array->dim() == 0 ? 0 : array->size(0)}, at::kLong),
      {"a", "b"});
  if (labelled.ok() && labelled->images.dim() != 4) std::abort();
}

void FuzzClassNames(const std::string& text) {
  const auto names = adv::ParseClassNames(text);
  if (!names.ok()) return;
  if (names->empty() ||
      std::set<std::string>(names->begin(), names->end()).size() !=
          names->size()) {
    std::abort();
  }
}

void FuzzSuperclasses(const std::string& text) {
  constexpr size_t kClasses = 3;
  const auto names = adv::ParseSuperclasses(text, kClasses);
  if (names.ok() && names->size() != kClasses) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'N') FuzzArray(rest);
  if (data[0] == 'C') FuzzClassNames(rest);
  if (data[0] == 'S') FuzzSuperclasses(rest);
  return 0;
}
