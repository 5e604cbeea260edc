#ifndef ADV_ENGINE_EVALUATION_RECORDS_H_
#define ADV_ENGINE_EVALUATION_RECORDS_H_

#include <cstdint>
#include <vector>

namespace adv {

// One image under one attack at one epsilon.
struct AttackRecord {
  int64_t target = -1;          // -1 if untargeted
  int64_t prediction = 0;       // on the adversarial image
  double confidence = 0;        // softmax probability of `prediction`
  double label_confidence = 0;  // softmax probability of the true label
  bool success = false;         // AttackResult::success
  int64_t iterations = -1;      // AttackResult::iterations
  bool zero_gradient = false;
  int64_t gradients = 0;
  int64_t forwards = 0;
  int64_t l0 = 0;  // values that differ from the original
  double l2 = 0;
  double linf = 0;
  int64_t clean_rank = 0;  // classes with a larger clean logit than that of
                           // `prediction`; of equal ones, those before it
  int64_t member = -1;     // AttackResult::member
};

// All measurements of one image: a pure function of plan, models and image.
struct SampleRecord {
  int64_t index = 0;  // in the data set
  int64_t label = 0;
  int64_t prediction = 0;  // on the clean image
  double confidence = 0;   // softmax probability of `prediction`
  double label_confidence = 0;
  // In the plan's order: attack by attack, and within one attack epsilon by
  // epsilon.
  std::vector<AttackRecord> attacks;
};

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_RECORDS_H_
