#ifndef ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_
#define ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "engine/nn/initial_weights.h"
#include "engine/nn/vgg.h"

namespace adv {

// The file that --init-from names, read and fitted to the network.
struct InitialWeightsFile {
  std::string name;    // without folders; bytes beyond ASCII escaped: "\xc3"
  std::string sha256;  // of the whole file
  InitialWeights weights;
};

// Every error starts with the path. Errors are those of ReadFile (it reads a
// file of any size that fits into memory) and of LoadInitialWeights.
absl::StatusOr<InitialWeightsFile> ReadInitialWeightsFile(
    const std::string& path, const std::vector<Layer>& layers);

// Lines for people, each without its end: the weights that were loaded, those
// that were skipped with the reason, and those that start from the seed. Safe
// to print on a terminal.
std::vector<std::string> Describe(const InitialWeightsFile& file);

// The record for the manifest.
v1::InitialWeights ToProto(const InitialWeightsFile& file);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_
