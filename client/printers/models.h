#ifndef ADV_CLIENT_PRINTERS_MODELS_H_
#define ADV_CLIENT_PRINTERS_MODELS_H_

#include <string>

#include "adv/v1/model_service.pb.h"
#include "client/printers/style.h"
#include "client/printers/table.h"

namespace adv {

// A row a version.
Table ModelTable(const v1::ListModelsResponse& response);

// Everything the store keeps: identity, training with its curves, test result
// with the confusion matrix.
std::string ModelText(const v1::Model& model, const Style& style);

// A row an epoch: what the curves are made of.
Table EpochTable(const v1::Model& model);

// "ready", "loading", "failed".
std::string StateText(v1::ModelState state);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_MODELS_H_
