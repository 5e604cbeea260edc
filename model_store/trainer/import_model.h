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

// A foreign model and the facts that it does not tell itself.
struct ImportOptions {
  // A module that torch.jit.save wrote; empty: the model is behind an endpoint.
  std::string file;
  std::string endpoint;              // its name in the server's configuration
  std::string endpoint_model;        // the model's name there
  std::string endpoint_version;      // empty: that server's choice
  int64_t max_batch = 64;            // images of one call to it
  bool decisions = false;            // it gives the class, no scores
  std::string store;                 // folder of the model store
  std::string name;                  // of the model; empty: of the file
  std::vector<int64_t> image_shape;  // channels, height, width
  std::string classes;               // file with one class name in each line
  Preprocessing preprocessing;
  bool gives_probabilities = false;
  bool without_gradients = false;  // scores alone, even if it has them
  // Accepts a model whose results for an image differ by more than rounding,
  // from run to run or with the images beside it.
  bool accept_unstable = false;
};

// Parses the command line behind "advtrain import". After an error or --help it
// prints the answer, sets `exit_code` and returns false.
bool ParseImportOptions(int argc, const char* const* argv,
                        ImportOptions* options, int* exit_code);

// Reads "mean=.485,.456,.406,std=.229,.224,.225,range=255,order=bgr", with each
// part at most once. INVALID_ARGUMENT names the fault.
absl::StatusOr<Preprocessing> ParsePreprocessing(const std::string& text);

struct ImportedModel {
  v1::ModelManifest manifest;  // as published
  BatchBehaviour behaviour;    // of a module
};

// Runs the module to measure its behaviour, and publishes it as the next
// version of its name, with golden outputs for the self-test of each load. For
// a model behind an endpoint it publishes only where the model is; the server
// that loads it compares shape and classes with the endpoint's answer.
// INVALID_ARGUMENT or FAILED_PRECONDITION with the field and the reason;
// nothing is published then.
absl::StatusOr<ImportedModel> ImportModel(const ImportOptions& options);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_IMPORT_MODEL_H_
