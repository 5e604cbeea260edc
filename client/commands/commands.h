#ifndef ADV_CLIENT_COMMANDS_COMMANDS_H_
#define ADV_CLIENT_COMMANDS_COMMANDS_H_

#include <functional>

#include "CLI/App.hpp"
#include "client/session/context.h"

namespace adv {

// The action that the parsed command line asks for. The chosen command sets it.
using Action = std::function<ExitCode(Context&)>;

// Each function adds one command, with its options, help and examples, to
// `app`. While the command line is parsed, the chosen command stores its action
// in `*action`.
void AddVersion(CLI::App& app, Action* action);
void AddServer(CLI::App& app, Action* action);
void AddModels(CLI::App& app, Action* action);
void AddAttacks(CLI::App& app, Action* action);
void AddContext(CLI::App& app, Action* action);
void AddClassify(CLI::App& app, Action* action);
void AddAttack(CLI::App& app, Action* action);
void AddEvaluate(CLI::App& app, Action* action);
void AddTransfer(CLI::App& app, Action* action);
void AddEvaluations(CLI::App& app, Action* action);
// Add `models table`, `models import` and `models alias` to the group `models`.
void AddModelsTable(CLI::App* models, Action* action);
void AddModelsImport(CLI::App* models, Action* action);
void AddModelsAlias(CLI::App* models, Action* action);
// Add the verbs of the group `evaluations`.
void AddEvaluationsList(CLI::App* group, Action* action);
void AddEvaluationsShow(CLI::App* group, Action* action);
void AddEvaluationsRecords(CLI::App* group, Action* action);
void AddEvaluationsAttach(CLI::App* group, Action* action);
void AddEvaluationsCancel(CLI::App* group, Action* action);
void AddEvaluationsResume(CLI::App* group, Action* action);
void AddEvaluationsDelete(CLI::App* group, Action* action);
void AddEvaluationsDiff(CLI::App* group, Action* action);
void AddEvaluationsReproduce(CLI::App* group, Action* action);
// Adds `server ready` to the group `server`.
void AddServerReady(CLI::App* server, Action* action);
// Its script lists all commands that `app` has when the action runs.
void AddCompletion(CLI::App& app, Action* action);

}  // namespace adv

#endif  // ADV_CLIENT_COMMANDS_COMMANDS_H_
