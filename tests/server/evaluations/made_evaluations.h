#ifndef ADV_TESTS_SERVER_EVALUATIONS_MADE_EVALUATIONS_H_
#define ADV_TESTS_SERVER_EVALUATIONS_MADE_EVALUATIONS_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/evaluations/evaluation_store.h"

// What tests put into stores.
namespace adv {

// An id that begins with `prefix`.
inline std::string Id(const std::string& prefix) {
  return prefix + std::string(64 - prefix.size(), '0');
}

inline v1::Evaluation MakeEvaluation(const std::string& id,
                                     const std::string& model = "no-cat") {
  v1::Evaluation evaluation;
  evaluation.set_id(id);
  evaluation.mutable_resolved()->mutable_model()->set_name(model);
  evaluation.mutable_resolved()->set_samples(100);
  evaluation.set_state(v1::EVALUATION_STATE_QUEUED);
  evaluation.mutable_created_at()->set_seconds(1'700'000'000);
  evaluation.set_samples_total(100);
  return evaluation;
}

inline v1::EvaluationRecord MakeRecord(int64_t index) {
  v1::EvaluationRecord record;
  record.set_index(index);
  record.set_label(3);
  record.set_confidence(.1 * static_cast<double>(index));
  record.add_attacks()->set_linf(8. / 255);
  return record;
}

inline std::vector<v1::EvaluationRecord> MakeRecords(
    const std::vector<int64_t>& indices) {
  std::vector<v1::EvaluationRecord> records;
  for (int64_t index : indices) records.push_back(MakeRecord(index));
  return records;
}

// Of the records that the store has.
inline std::vector<int64_t> Indices(const EvaluationStore& store,
                                    const std::string& id) {
  const auto records = store.RecordBytes(id);
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<int64_t> indices;
  for (const std::string& bytes : *records) {
    v1::EvaluationRecord record;
    EXPECT_TRUE(record.ParseFromString(bytes));
    indices.push_back(record.index());
  }
  return indices;
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_EVALUATIONS_MADE_EVALUATIONS_H_
