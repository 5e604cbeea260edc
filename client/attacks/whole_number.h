#ifndef ADV_CLIENT_ATTACKS_WHOLE_NUMBER_H_
#define ADV_CLIENT_ATTACKS_WHOLE_NUMBER_H_

#include <cstdint>

#include "CLI/App.hpp"

namespace adv {

// For an option that takes a whole number from `least` to `most`: the error
// says so.
CLI::Validator WholeNumber(std::uint64_t least, std::uint64_t most);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_WHOLE_NUMBER_H_
