#ifndef ADV_CLIENT_COMMANDS_ONE_EVALUATION_H_
#define ADV_CLIENT_COMMANDS_ONE_EVALUATION_H_

#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "adv/v1/evaluation.pb.h"
#include "client/commands/commands.h"
#include "client/session/context.h"
#include "client/session/interrupts.h"

namespace adv {

// What the verbs of `evaluations` that take an id have in common.

// Adds the argument `name`, an id or its beginning. The shell completes those
// named ID and ID2.
void AddEvaluationId(CLI::App* verb, std::string* id,
                     const std::string& name = "ID");

// Adds a verb whose only argument is an id. `run` is its work.
void AddVerbWithId(CLI::App* group, Action* action, const char* name,
                   const char* about, const char* footer,
                   ExitCode (*run)(Context&, const std::string&));

// Asks for one evaluation, with its report if it is done. On failure the reason
// has been printed, and the result is the command's exit code.
ExitCode GetEvaluation(Context& context, Connection& server,
                       const std::string& id, v1::Evaluation* evaluation);

// True if it has ended without a report: it was cancelled, or it failed.
bool EndedEarly(const v1::Evaluation& evaluation);

// "a01111111111 was cancelled after 256 of 1,000 images".
std::string EarlyEndText(const v1::Evaluation& evaluation);

// Prints the report, or how far the evaluation is. CSV has the rows of the
// report, and its header alone if there is none.
void PrintEvaluation(Context& context, const v1::Evaluation& evaluation);

// Prints what state it is in, without its report.
void PrintState(Context& context, const v1::Evaluation& evaluation);

// Follows the evaluation to its end, which resumes one that has ended early,
// and prints its report. `interrupts` must be older than the connection.
ExitCode FollowAndPrint(Context& context, Connection& server,
                        Interrupts& interrupts, v1::Evaluation evaluation);

}  // namespace adv

#endif  // ADV_CLIENT_COMMANDS_ONE_EVALUATION_H_
