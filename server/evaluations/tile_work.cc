#include "server/evaluations/tile_work.h"

#include <memory>

#include "engine/evaluation/evaluation.h"

namespace adv {
namespace {

// A model's network that counts what it sends, where it sends anything.
class CountedNetwork {
 public:
  CountedNetwork(const ServedModel& model, std::atomic<int64_t>* sent)
      : own_(model.counted ? model.counted(sent) : nullptr),
        network_(own_ != nullptr ? *own_ : *model.network) {}

  const Network& get() const { return network_; }

 private:
  const std::shared_ptr<const Network> own_;
  const Network& network_;
};

}  // namespace

absl::StatusOr<std::vector<SampleRecord>> ComputeTile(
    const ResolvedEvaluation& evaluation, const std::vector<int64_t>& indices,
    const BeforePass& before_pass, TileCosts& costs) {
  const CountedNetwork target(*evaluation.model, &costs.new_queries);
  const CountedNetwork source(*evaluation.source_model, &costs.new_queries);
  // An attack takes two networks for a transfer, even two wrappers of one
  // model: without a transfer it gets one wrapper twice.
  const bool transfer = evaluation.source_model != evaluation.model;
  return EvaluateTile(target.get(), transfer ? source.get() : target.get(),
                      *evaluation.dataset, indices, evaluation.plan,
                      [&costs, &before_pass] {
                        ++costs.passes;
                        return before_pass();
                      });
}

}  // namespace adv
