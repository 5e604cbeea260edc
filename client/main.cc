#include <iostream>

#include "client/app.h"

int main(int argc, char** argv) {
  return adv::RunAdvctl(argc, argv, std::cout, std::cerr);
}
