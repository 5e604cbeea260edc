#ifndef ADV_CLIENT_EVALUATIONS_PROTOCOL_H_
#define ADV_CLIENT_EVALUATIONS_PROTOCOL_H_

#include <string>

#include "adv/v1/model.pb.h"

namespace adv {

// The nearer of the two known training protocols, the thesis's or advtrain's
// --quick, and the differences from it: "thesis", "quick, no flips". "own" if
// the settings are like neither, empty if none are recorded. The limit on
// epochs does not count, as the stop reason tells whether it mattered.
std::string ProtocolText(const v1::TrainingSettings& settings);

// The examples of adversarial training, as "PGD within 8/255".
std::string AdversarialText(const v1::AdversarialTraining& adversarial);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_PROTOCOL_H_
