#ifndef ADV_CLIENT_IMAGES_SAVED_IMAGES_H_
#define ADV_CLIENT_IMAGES_SAVED_IMAGES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adv/v1/attack_evaluation_service.pb.h"
#include "adv/v1/evaluation.pb.h"

namespace adv {

// The images of one attack at one epsilon of a finished evaluation: how they
// are asked for again, compared with the records, and written to a folder.
class SavedImages {
 public:
  using Records = std::vector<v1::EvaluationRecord>;

  // `result` is an index into the report's results. `evaluation` and its
  // `records`, all of them, must outlive this.
  SavedImages(const v1::Evaluation& evaluation, const Records& records,
              int result);

  // "no-cat@1-fgsm-0.01", "no-cat@1-pgd-2_255": a name for its folder.
  std::string FolderName() const;

  // The request for the images of records[begin, end).
  v1::GenerateAdversarialRequest Request(std::size_t begin,
                                         std::size_t end) const;

  // Takes the answer to it; answers come in order. An error names the image
  // whose prediction, success or L-inf is not the record's, or says what is
  // wrong with the answer.
  absl::Status Add(const v1::GenerateAdversarialResponse& response);

  // Writes images.safetensors, and one PNG an image if they are 8-bit, into an
  // existing folder. Answers to all records must have been added.
  absl::Status Write(const std::string& folder) const;

 private:
  absl::Status Check(const v1::GenerateAdversarialResponse& response) const;
  absl::Status WritePngs(const std::string& folder) const;

  const v1::Evaluation& evaluation_;
  const Records& records_;
  const int result_;
  std::size_t added_ = 0;
  v1::ImageBatch images_, originals_;
};

}  // namespace adv

#endif  // ADV_CLIENT_IMAGES_SAVED_IMAGES_H_
