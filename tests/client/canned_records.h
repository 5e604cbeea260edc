#ifndef ADV_TESTS_CLIENT_CANNED_RECORDS_H_
#define ADV_TESTS_CLIENT_CANNED_RECORDS_H_

#include <cstdint>
#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "adv/v1/evaluation.pb.h"

namespace adv::testing {

// The evaluation that an id stands for: FGSM on "balanced" if it begins with
// b0, else on "no-cat".
v1::EvaluationSpec StoredSpec(const std::string& id);

// A record of it. Every image is fooled, but every other one of "balanced".
// The images whose index is a multiple of `odd_records` have another L2 norm;
// 0: none has.
v1::EvaluationRecord MakeRecord(int index, const v1::EvaluationSpec& spec,
                                int odd_records);

// Gives the report a digest that tells other records apart.
void MarkRecords(int odd_records, v1::EvaluationReport* report);

// The attacked image has 2 more in every byte than the original, which has the
// image's index.
void AddDatasetImages(const v1::GenerateAdversarialRequest& request,
                      std::int64_t odd_image,
                      v1::GenerateAdversarialResponse* response);

}  // namespace adv::testing

#endif  // ADV_TESTS_CLIENT_CANNED_RECORDS_H_
