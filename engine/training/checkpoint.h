#ifndef ADV_ENGINE_TRAINING_CHECKPOINT_H_
#define ADV_ENGINE_TRAINING_CHECKPOINT_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <map>
#include <string>

#include "engine/nn/safetensors.h"

namespace adv {

// A checkpoint's content: tensors and values by name.
struct CheckpointContent {
  StateDict tensors;  // float32
  std::map<std::string, std::string> values;
};

// The bytes: a line "adv-checkpoint 1 <SHA-256 of the rest>\n", then the
// content as safetensors. FAILED_PRECONDITION if a tensor is not finite.
absl::StatusOr<std::string> EncodeCheckpoint(const CheckpointContent& content);

// DATA_LOSS if the bytes are not what EncodeCheckpoint made.
absl::StatusOr<CheckpointContent> DecodeCheckpoint(absl::string_view bytes);

// SHA-256 in hex of a contiguous tensor's bytes.
std::string DigestTensor(const at::Tensor& values);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_CHECKPOINT_H_
