#ifndef ADV_SERVER_EVALUATIONS_COUNTING_NETWORK_H_
#define ADV_SERVER_EVALUATIONS_COUNTING_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "engine/nn/network.h"

namespace adv {

// A network that adds up what its passes cost (see cost.h). It changes none of
// their results.
class CountingNetwork final : public Network {
 public:
  // Neither is owned; both must outlive the network. `cost` grows when a pass
  // has ended well.
  CountingNetwork(const Network& network, std::atomic<int64_t>* cost);

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override;
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override;
  const Network* Fast() const override;

 private:
  const Network& network_;
  std::atomic<int64_t>& cost_;
  mutable std::once_flag fast_made_;
  mutable std::unique_ptr<const CountingNetwork> fast_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_COUNTING_NETWORK_H_
