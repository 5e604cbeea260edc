#ifndef ADV_SERVER_COMPUTE_REMOTE_NETWORK_H_
#define ADV_SERVER_COMPUTE_REMOTE_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/nn/foreign_interface.h"
#include "server/compute/asker.h"
#include "server/compute/endpoint.h"

namespace adv {

// What must be known of a model behind an endpoint.
struct RemoteModel {
  std::string name;     // on its server
  std::string version;  // empty: that server's choice
  // Images of one call at most, above 0.
  int64_t max_batch = 64;
  // With access to scores or decisions: the class is all that is taken of an
  // answer then.
  ForeignInterface interface;
};

// A model behind an endpoint of the Open Inference Protocol, as an oracle:
// float32 images in (preprocessed here), float32 scores or, with decisions
// alone, scores or int64 classes out. Its calls block until the endpoint has
// answered or is given up.
class RemoteNetwork final : public Network {
 public:
  // Asks the endpoint for the model's metadata. INVALID_ARGUMENT if its
  // tensors are not those of such a model, otherwise as Endpoint says.
  static absl::StatusOr<std::shared_ptr<const RemoteNetwork>> Make(
      std::shared_ptr<Endpoint> endpoint, const RemoteModel& model);

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override;

  // The same network, on behalf of `asker`. Neither needs the other to live.
  std::unique_ptr<const Network> For(const Asker& asker) const;

 private:
  struct Tensors {  // of the model's server
    std::string input, output;
    bool output_is_class = false;  // int64
    int64_t fixed_batch = 0;       // images of each call; 0: any number
  };

  RemoteNetwork(std::shared_ptr<Endpoint> endpoint, const RemoteModel& model,
                Tensors tensors, Asker asker);

  static absl::StatusOr<Tensors> CheckMetadata(
      const inference::ModelMetadataResponse& metadata,
      const RemoteModel& model);
  absl::StatusOr<at::Tensor> Ask(const at::Tensor& images) const;
  // The output of an answer about `count` images: [count, classes] float32, or
  // [count] int64 of classes.
  absl::StatusOr<at::Tensor> ValuesOf(
      const inference::ModelInferResponse& response, int64_t count) const;
  absl::Status BadAnswer(const std::string& what) const;

  const std::shared_ptr<Endpoint> endpoint_;
  const RemoteModel model_;
  const Tensors tensors_;
  const Asker asker_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_REMOTE_NETWORK_H_
