#ifndef ADV_MODEL_STORE_TRAINER_IMPORT_MODEL_H_
#define ADV_MODEL_STORE_TRAINER_IMPORT_MODEL_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "engine/nn/batch_behaviour.h"
#include "engine/nn/preprocessing.h"

namespace adv {

// A foreign model and what is to be known of it.
struct ImportOptions {
  // A module that torch.jit.save wrote; empty: the model is behind an endpoint.
  std::string file;
  std::string endpoint;              // its name in the server's configuration
  std::string endpoint_model;        // the model's name there
  std::string endpoint_version;      // empty: that server's choice
  int64_t max_batch = 64;            // images of one call to it
  bool decisions = false;            // it tells the class and no scores
  std::string store;                 // folder of the model store
  std::string name;                  // of the model; empty: of the file
  std::vector<int64_t> image_shape;  // channels, height, width
  std::string classes;               // file with one class name in each line
  Preprocessing preprocessing;
  bool gives_probabilities = false;
  bool without_gradients = false;  // scores alone, also if it has gradients
  // Takes a model whose results for an image differ from run to run, or with
  // the images beside it, by more than rounding.
  bool accept_unstable = false;
};

// The command line behind "advtrain import". On an error or --help it is
// answered, `exit_code` is set, and the result is false.
bool ParseImportOptions(int argc, const char* const* argv,
                        ImportOptions* options, int* exit_code);

// "mean=.485,.456,.406,std=.229,.224,.225,range=255,order=bgr", each part at
// most once. INVALID_ARGUMENT names what is wrong.
absl::StatusOr<Preprocessing> ParsePreprocessing(const std::string& text);

struct ImportedModel {
  v1::ModelManifest manifest;  // as published
  BatchBehaviour behaviour;    // of a module
};

// Runs the module to find out how it behaves, and publishes it as the next
// version of its name, with golden outputs for the self-test of each load. Of a
// model behind an endpoint it publishes where it is: the server that loads it
// compares shape and classes with what the endpoint says.
// INVALID_ARGUMENT or FAILED_PRECONDITION with the field and the reason;
// nothing is published then.
absl::StatusOr<ImportedModel> ImportModel(const ImportOptions& options);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_IMPORT_MODEL_H_
