#ifndef ADV_SERVER_MODELS_CLASS_MATCH_H_
#define ADV_SERVER_MODELS_CLASS_MATCH_H_

#include <absl/status/statusor.h>

#include <memory>

#include "engine/data/dataset.h"
#include "server/models/served_model.h"

namespace adv {

// Labels are indices, but classes are matched by their names: what has them in
// another order than `model` comes back in the model's. INVALID_ARGUMENT with
// both lists, as far as they fit into a message, if they are not the same
// classes. Names that are the numbers "0", "1" and so on, as of data sets that
// come without names, are taken for the model's.

absl::StatusOr<std::shared_ptr<const Dataset>> WithClassesOf(
    const ServedModel& model, const std::shared_ptr<const Dataset>& dataset);

// `source` itself if its order is the model's, otherwise a model like it.
absl::StatusOr<std::shared_ptr<const ServedModel>> WithClassesOf(
    const ServedModel& model, const std::shared_ptr<const ServedModel>& source);

}  // namespace adv

#endif  // ADV_SERVER_MODELS_CLASS_MATCH_H_
