#ifndef ADV_CLIENT_OPTIONS_H_
#define ADV_CLIENT_OPTIONS_H_

#include <string>
#include <vector>

#include "client/contexts/access.h"

namespace adv {

enum class OutputFormat { kTable, kJson, kCsv };

// The options that every command has.
struct GlobalOptions {
  // The server, and how it is reached.
  AccessFlags access;

  // Start a private server for this call instead.
  bool local = false;

  // Handed to the private server: --store=DIR, --dataset=NAME=DIR,
  // --endpoint=NAME=URL and --allow-code-models.
  std::vector<std::string> stores;
  std::vector<std::string> datasets;
  std::vector<std::string> endpoints;
  bool allow_code_models = false;

  // Those as the server's flags.
  std::vector<std::string> ServerFlags() const {
    std::vector<std::string> flags;
    for (const auto& store : stores) flags.push_back("--store=" + store);
    for (const auto& dataset : datasets) {
      flags.push_back("--dataset=" + dataset);
    }
    for (const auto& endpoint : endpoints) {
      flags.push_back("--endpoint=" + endpoint);
    }
    if (allow_code_models) flags.emplace_back("--allow-code-models");
    return flags;
  }

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
