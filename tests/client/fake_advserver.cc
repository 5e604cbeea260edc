// A program that starts like advserver, for the tests of --local. What it was
// given goes to the file named in FAKE_ADVSERVER_ARGS; FAKE_ADVSERVER_FAIL
// makes it end at once with that text in its log.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/client/fake_server.h"

int main(int argc, char** argv) {
  if (const char* path = std::getenv("FAKE_ADVSERVER_ARGS")) {
    std::ofstream file(path);
    file << getpid() << "\n";
    for (int i = 1; i < argc; ++i) file << argv[i] << "\n";
  }
  if (const char* why = std::getenv("FAKE_ADVSERVER_FAIL")) {
    std::cerr << why << std::endl;
    return 1;
  }
  adv::testing::FakeOptions options;
  options.hold_evaluations = std::getenv("FAKE_ADVSERVER_HOLD") != nullptr;
  options.forgetful = true;  // a private server has no evaluations yet
  const adv::testing::FakeServer server(options);
  std::cout << "listening on " << server.address() << std::endl;
  pause();
}
