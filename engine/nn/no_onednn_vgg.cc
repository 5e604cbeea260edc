// What a program built without oneDNN has in place of onednn_vgg.cc.
#include "engine/nn/onednn_vgg.h"

namespace adv {

absl::StatusOr<std::shared_ptr<const Network>> MakeOnednnVgg(
    const std::vector<Layer>&, const StateDict&) {
  return absl::UnimplementedError("this program was built without oneDNN");
}

std::string OnednnVersion() { return ""; }

std::vector<std::string> OnednnKernels(const std::vector<Layer>&, Precision) {
  return {};
}

}  // namespace adv
