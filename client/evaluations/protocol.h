#ifndef ADV_CLIENT_EVALUATIONS_PROTOCOL_H_
#define ADV_CLIENT_EVALUATIONS_PROTOCOL_H_

#include <string>

#include "adv/v1/model.pb.h"

namespace adv {

// Which of the two known training protocols the settings are, the thesis's or
// advtrain's --quick, and where they differ from it: "thesis", "quick, no
// flips". "own" if they are like neither, empty if nothing is recorded. The
// limit on epochs is left out: whether it mattered is in the stop reason.
std::string ProtocolText(const v1::TrainingSettings& settings);

// "PGD within 8/255": the examples of adversarial training.
std::string AdversarialText(const v1::AdversarialTraining& adversarial);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_PROTOCOL_H_
