#ifndef ADV_SERVER_MODELS_CLASS_MATCH_H_
#define ADV_SERVER_MODELS_CLASS_MATCH_H_

#include <string>
#include <vector>

#include "adv/v1/model.pb.h"

namespace adv {

// What is wrong with classes that are to be those of `model`, in its order,
// since labels are indices: both lists, as far as they fit into a message.
// Empty if nothing is. Names that are the numbers "0", "1" and so on, as of
// data sets that come without names, are taken for the model's.
std::string ClassMismatch(const std::vector<std::string>& names,
                          const v1::ModelManifest& model);

}  // namespace adv

#endif  // ADV_SERVER_MODELS_CLASS_MATCH_H_
