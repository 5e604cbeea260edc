#include "engine/training/checkpoint.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <openssl/sha.h>

#include <utility>

namespace adv {
namespace {

// The number is that of the format.
constexpr char kHeading[] = "adv-checkpoint 1 ";
constexpr size_t kDigestLength = 2 * SHA256_DIGEST_LENGTH;

// In hex, kDigestLength characters.
std::string Sha256(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace

absl::StatusOr<std::string> EncodeCheckpoint(const CheckpointContent& content) {
  absl::StatusOr<std::string> body = SerializeSafetensors(
      content.tensors, WeightPrecision::kFloat32, content.values);
  if (!body.ok()) return body.status();
  return absl::StrCat(kHeading, Sha256(*body), "\n", *body);
}

absl::StatusOr<CheckpointContent> DecodeCheckpoint(absl::string_view bytes) {
  if (!absl::ConsumePrefix(&bytes, kHeading)) {
    return absl::DataLossError("not a checkpoint of this format");
  }
  // The digest must be whole, and something must follow it.
  if (bytes.size() <= kDigestLength || bytes[kDigestLength] != '\n') {
    return absl::DataLossError("the checkpoint is truncated");
  }
  const absl::string_view digest = bytes.substr(0, kDigestLength);
  const absl::string_view body = bytes.substr(kDigestLength + 1);
  if (Sha256(body) != digest) {
    return absl::DataLossError(
        "the checkpoint is damaged: its digest is not the one it states");
  }
  CheckpointContent content;
  absl::StatusOr<StateDict> tensors = ParseSafetensors(body, &content.values);
  // The digest fits, so only a writer with a fault can get here; for the caller
  // the file is damaged all the same.
  if (!tensors.ok()) {
    return absl::DataLossError(absl::StrCat("the checkpoint is damaged: ",
                                            tensors.status().message()));
  }
  content.tensors = *std::move(tensors);
  return content;
}

std::string DigestTensor(const at::Tensor& values) {
  return Sha256(absl::string_view(static_cast<const char*>(values.data_ptr()),
                                  values.nbytes()));
}

}  // namespace adv
