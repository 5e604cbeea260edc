#ifndef ADV_SERVER_CODEC_CODEC_H_
#define ADV_SERVER_CODEC_CODEC_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "adv/v1/model.pb.h"
#include "engine/evaluation/evaluation.h"
#include "engine/evaluation/statistics.h"

namespace adv {

// What comes out of evaluations, from the engine to the wire and, for stored
// records, back. codec_evaluation.h decodes what goes in.

v1::Rate EncodeRate(const Rate& rate);

v1::AttackRecord EncodeAttackRecord(const AttackRecord& record);

v1::EvaluationRecord EncodeRecord(const SampleRecord& record);
// The inverse.
SampleRecord DecodeRecord(const v1::EvaluationRecord& record);

// All of the report but records_sha256 and environment. The report's attacks
// are those of resolved.spec(), attack by attack and within one epsilon by
// epsilon. `model` is the manifest of the model attacked (special_label).
v1::EvaluationReport EncodeReport(const EvaluationReport& report,
                                  const v1::ResolvedSpec& resolved,
                                  const v1::ModelManifest& model,
                                  const std::vector<std::string>& class_names);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_H_
