#include <cstdlib>
#include <iostream>

#include "client/app.h"
#include "grpc/support/log.h"

int main(int argc, char** argv) {
  // Errors tell people in words what gRPC logs of a connection.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) {
    gpr_set_log_function([](gpr_log_func_args* /*entry*/) {});
  }
  return adv::RunAdvctl(argc, argv, std::cout, std::cerr);
}
