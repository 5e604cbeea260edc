#ifndef ADV_CLIENT_EVALUATIONS_EVALUATION_DIFF_H_
#define ADV_CLIENT_EVALUATIONS_EVALUATION_DIFF_H_

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"

namespace adv {

// Two finished evaluations, A and B, compared record by record. All here are
// pure functions.

// A setting, or a fact of where they ran, that A and B have differently.
struct Unlike {
  std::string what;
  std::string a, b;
};

// An attack at an epsilon that both have, or the clean images.
struct SharedAttack {
  std::string name;  // "fgsm", "igsm:steps=3" if another one is alike; "clean"
  std::string epsilon;        // "2/255"; empty for the clean images
  double epsilon_pixels = 0;  // 0 for the clean images
  // Places among a record's attacks; -1 for the clean images.
  int place_a = -1, place_b = -1;

  // Images that stay right: clean right, and still right under the attack.
  std::int64_t right_in_both = 0, only_in_a = 0, only_in_b = 0, in_neither = 0;
  // Images with another prediction, and those with any other bit.
  std::int64_t other_predictions = 0, differing = 0;
  // The largest differences over all images.
  double confidence = 0, label_confidence = 0, l2 = 0, linf = 0;
};

// What A and B found on one image, where that differs.
struct RecordDifference {
  std::int64_t index;  // in the data set
  int label;
  std::size_t attack;               // in EvaluationDiff::attacks
  std::vector<std::string> fields;  // of AttackRecord, those that differ
  // Of the clean image only prediction, confidence, label_confidence and
  // success (it is wrong) are set.
  v1::AttackRecord a, b;
};

struct EvaluationDiff {
  v1::Evaluation a, b;
  // Settings that decide the result; where and with what it was computed.
  std::vector<Unlike> settings, surroundings;
  // Both have records with the same SHA-256. Then only those above are filled
  // in.
  bool identical = false;
  // False if the data sets differ: then no image of one is an image of the
  // other, and nothing below is filled in.
  bool comparable = false;
  std::int64_t images = 0;  // in both
  std::int64_t images_only_in_a = 0, images_only_in_b = 0;
  std::vector<SharedAttack> attacks;          // the clean images first
  std::vector<RecordDifference> differences;  // in index order
  std::int64_t differing_images = 0;
};

// Compares the specifications and reports.
EvaluationDiff CompareEvaluations(const v1::Evaluation& a,
                                  const v1::Evaluation& b);

// Whether the records must be compared, because they differ and belong to the
// same data.
bool NeedsRecords(const EvaluationDiff& diff);

// Compares the records, both in index order, and fills in the rest. Of models
// with another order of classes B's labels are first renumbered as A's.
void CompareRecords(const std::vector<v1::EvaluationRecord>& a,
                    std::vector<v1::EvaluationRecord> b, EvaluationDiff* diff);

// The differences between two resolved specifications.
std::vector<Unlike> CompareSettings(const v1::Evaluation& a,
                                    const v1::Evaluation& b);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_EVALUATION_DIFF_H_
