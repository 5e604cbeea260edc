#ifndef ADV_SERVER_CODEC_CODEC_REQUESTS_H_
#define ADV_SERVER_CODEC_CODEC_REQUESTS_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "engine/data/dataset.h"
#include "server/compute/adversarial.h"
#include "server/limits.h"
#include "server/models/served_model.h"

namespace adv {

// Classify and GenerateAdversarial, between the wire and the engine. Errors
// name all that is wrong with a request at once.

struct ClassifyTask {
  std::shared_ptr<const ServedModel> model;
  at::Tensor images;  // [N, channels, height, width] float32 in [0, 1]
  int64_t top_k = 0;  // 1 to the number of classes
  bool include_logits = false;
};

absl::StatusOr<ClassifyTask> DecodeClassify(
    const v1::ClassifyRequest& request,
    std::shared_ptr<const ServedModel> model, const Limits& limits);

// `logits` [N, classes] on the CPU.
void EncodeClassify(const ClassifyTask& task, const at::Tensor& logits,
                    v1::ClassifyResponse* response);

// `dataset` is the one that dataset_images names; null without them.
absl::StatusOr<AdversarialTask> DecodeGenerate(
    const v1::GenerateAdversarialRequest& request,
    std::shared_ptr<const ServedModel> model,
    std::shared_ptr<const ServedModel> source_model,
    const std::shared_ptr<const Dataset>& dataset, const Limits& limits);

// Each classification lists all classes, with logits.
void EncodeGenerate(const v1::GenerateAdversarialRequest& request,
                    const AdversarialTask& task,
                    const AdversarialImages& images,
                    v1::GenerateAdversarialResponse* response);

// Entries of one page: what is asked for, or the default.
absl::StatusOr<int64_t> DecodePageSize(
    const v1::ListEvaluationsRequest& request);
absl::StatusOr<int64_t> DecodePageSize(
    const v1::ListEvaluationRecordsRequest& request);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_REQUESTS_H_
