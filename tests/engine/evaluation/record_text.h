#ifndef ADV_TESTS_ENGINE_EVALUATION_RECORD_TEXT_H_
#define ADV_TESTS_ENGINE_EVALUATION_RECORD_TEXT_H_

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <string>

#include "engine/evaluation/evaluation.h"

namespace adv {

// Every field, doubles to the last bit.
inline std::string RecordText(const SampleRecord& sample) {
  std::string text = absl::StrFormat(
      "%d %d %d %a %a", sample.index, sample.label, sample.prediction,
      sample.confidence, sample.label_confidence);
  for (const AttackRecord& r : sample.attacks) {
    absl::StrAppend(
        &text, absl::StrFormat(" | %d %d %a %a %d %d %d %d %d %d %a %a %d %d",
                               r.target, r.prediction, r.confidence,
                               r.label_confidence, r.success, r.iterations,
                               r.zero_gradient, r.gradients, r.forwards, r.l0,
                               r.l2, r.linf, r.clean_rank, r.member));
  }
  return text;
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_EVALUATION_RECORD_TEXT_H_
