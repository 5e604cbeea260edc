#ifndef ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_
#define ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "engine/nn/initial_weights.h"
#include "engine/nn/vgg.h"

namespace adv {

// What --init-from names, read and fitted to the network.
struct InitialWeightsFile {
  std::string name;    // without folders; bytes beyond ASCII as "\xc3"
  std::string sha256;  // of the whole file
  InitialWeights weights;
};

// Every error starts with the path: those of ReadFile (a file of any size that
// fits into memory is read) and of LoadInitialWeights.
absl::StatusOr<InitialWeightsFile> ReadInitialWeightsFile(
    const std::string& path, const std::vector<Layer>& layers);

// For people, one line each without its end: what was loaded, what was skipped
// and why, what starts from the seed. Safe to print on a terminal.
std::vector<std::string> Describe(const InitialWeightsFile& file);

// For the manifest.
v1::InitialWeights ToProto(const InitialWeightsFile& file);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_INITIAL_WEIGHTS_FILE_H_
