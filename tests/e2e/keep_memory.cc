// A library that a test has loaded into a program, so that it gives no memory
// back.
#include <cstddef>

extern "C" int malloc_trim(std::size_t) { return 0; }
