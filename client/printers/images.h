#ifndef ADV_CLIENT_PRINTERS_IMAGES_H_
#define ADV_CLIENT_PRINTERS_IMAGES_H_

#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "client/printers/style.h"

namespace adv {

// One line per class of one image: name, bar, per cent.
std::string ClassificationText(const v1::Classification& classification,
                               const Style& style);

// The classes before and after the attack, side by side, and whether the model
// was fooled. Both are of the same image.
std::string AttackText(const v1::GenerateAdversarialResponse& response,
                       const v1::Epsilon& epsilon, const v1::Goal& goal,
                       const Style& style);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_IMAGES_H_
