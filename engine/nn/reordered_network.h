#ifndef ADV_ENGINE_NN_REORDERED_NETWORK_H_
#define ADV_ENGINE_NN_REORDERED_NETWORK_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/nn/network.h"

namespace adv {

// `network` with its classes in another order: class i of the result is class
// order[i] of `network`. `order` is a permutation of 0 .. classes - 1.
std::shared_ptr<const Network> Reordered(std::shared_ptr<const Network> network,
                                         std::vector<int64_t> order);

}  // namespace adv

#endif  // ADV_ENGINE_NN_REORDERED_NETWORK_H_
