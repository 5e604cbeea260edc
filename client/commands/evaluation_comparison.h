#ifndef ADV_CLIENT_COMMANDS_EVALUATION_COMPARISON_H_
#define ADV_CLIENT_COMMANDS_EVALUATION_COMPARISON_H_

#include <cstdint>
#include <string>

#include "CLI/App.hpp"
#include "adv/v1/evaluation.pb.h"
#include "client/session/context.h"

namespace adv {

// What `evaluations diff` and `evaluations reproduce` have in common.

struct FinishedEvaluation {
  Connection* server;  // that has its records; not owned
  v1::Evaluation evaluation;
};

// Adds --limit. 0 is its default: 10 images for people, all for programs.
void AddDiffLimit(CLI::App* verb, std::uint64_t* limit);

// Asks `finished->server` for the evaluation. One without a report is an error,
// because there is nothing to compare yet.
ExitCode GetFinished(Context& context, const std::string& id,
                     FinishedEvaluation* finished);

// Compares the two record by record and prints what differs. The result is kOk
// if all records are the same to the last bit, and kFailed if not.
ExitCode CompareAndPrint(Context& context, const FinishedEvaluation& a,
                         const FinishedEvaluation& b, std::uint64_t limit);

}  // namespace adv

#endif  // ADV_CLIENT_COMMANDS_EVALUATION_COMPARISON_H_
