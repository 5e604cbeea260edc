#ifndef ADV_TESTS_SERVER_TOY_MODEL_H_
#define ADV_TESTS_SERVER_TOY_MODEL_H_

#include <memory>
#include <string>
#include <utility>

#include "server/models/served_model.h"
#include "tests/engine/toy_network.h"

namespace adv {

// A model whose class is the brightest channel: red, green or blue. Images
// are {3, 2, 2}, twelve values.
inline std::shared_ptr<const ServedModel> MakeToyModel(
    const std::string& name = "toy") {
  auto model = std::make_shared<ServedModel>();
  model->manifest.set_name(name);
  model->manifest.set_version(1);
  for (const char* label : {"red", "green", "blue"}) {
    model->manifest.add_class_names(label);
  }
  model->digest = std::string(64, 'd');
  model->network = MakeChannelMeanNetwork({3, 2, 2});
  return model;
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_TOY_MODEL_H_
