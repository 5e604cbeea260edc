#ifndef ADV_TESTS_CLIENT_GOLDEN_H_
#define ADV_TESTS_CLIENT_GOLDEN_H_

#include <cstddef>
#include <string>

namespace adv::testing {

// What the file in golden/ holds; empty if there is none.
std::string Golden(const std::string& name);

// In columns of a terminal.
std::size_t WidestLine(const std::string& text);

}  // namespace adv::testing

#endif  // ADV_TESTS_CLIENT_GOLDEN_H_
