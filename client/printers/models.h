#ifndef ADV_CLIENT_PRINTERS_MODELS_H_
#define ADV_CLIENT_PRINTERS_MODELS_H_

#include <string>

#include "adv/v1/model_service.pb.h"
#include "client/printers/style.h"
#include "client/printers/table.h"

namespace adv {

// One row for each version.
Table ModelTable(const v1::ListModelsResponse& response);

// One row for each alias, with the version that it stands for now.
Table AliasTable(const v1::ListModelsResponse& response);

// All that the store knows of a model: identity, training with its curves, test
// results with the confusion matrix. At most 80 columns wide.
std::string ModelText(const v1::Model& model, const Style& style);

// One row for each epoch: the values of the curves.
Table EpochTable(const v1::Model& model);

// The class that the model's training treats differently; empty if none is
// recorded.
std::string MarkedClass(const v1::ModelManifest& manifest);

// The reason why training ended: "early" or "at the limit"; empty if not known.
std::string StopText(v1::StopReason reason);

// "ready", "loading", "failed"; "state 9" if only its number is known.
std::string StateText(v1::ModelState state);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_MODELS_H_
