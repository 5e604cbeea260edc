#ifndef ADV_CLIENT_APP_H_
#define ADV_CLIENT_APP_H_

#include <ostream>

#include "client/exit_code.h"

namespace adv {

// advctl: parses the command line, runs the command, prints to the streams.
ExitCode RunAdvctl(int argc, const char* const* argv, std::ostream& out,
                   std::ostream& err);

}  // namespace adv

#endif  // ADV_CLIENT_APP_H_
