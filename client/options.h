#ifndef ADV_CLIENT_OPTIONS_H_
#define ADV_CLIENT_OPTIONS_H_

#include <string>
#include <vector>

namespace adv {

enum class OutputFormat { kTable, kJson, kCsv };

// The options that every command has.
struct GlobalOptions {
  // Address, or several with commas between.
  std::string server = "localhost:50051";

  // Start a private server for this call instead.
  bool local = false;

  // Handed to the private server: --store=DIR and --dataset=NAME=DIR.
  std::vector<std::string> stores;
  std::vector<std::string> datasets;

  // Seconds that a call may take; 0 is the command's own default.
  double timeout_seconds = 0;

  // Empty, or "round_robin": spread calls over all addresses that are healthy.
  std::string balance;

  OutputFormat output = OutputFormat::kTable;
  bool no_color = false;
  bool verbose = false;
};

}  // namespace adv

#endif  // ADV_CLIENT_OPTIONS_H_
