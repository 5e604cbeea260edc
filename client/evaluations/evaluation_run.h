#ifndef ADV_CLIENT_EVALUATIONS_EVALUATION_RUN_H_
#define ADV_CLIENT_EVALUATIONS_EVALUATION_RUN_H_

#include <string>

#include "adv/v1/attack_evaluation_service.pb.h"
#include "client/session/context.h"
#include "client/session/interrupts.h"
#include "client/session/progress.h"

namespace adv {

// Starts an evaluation, or attaches to it, and waits for its report. The first
// Ctrl-C detaches and tells how to come back; another one within three seconds
// cancels the evaluation. With a private server, or with cancel_on_disconnect,
// the first one cancels.
//
// On success `evaluation` is complete, with its report. On failure the reason
// has been printed, and the result is the command's exit code.
ExitCode RunEvaluation(Context& context, Connection& connection,
                       const v1::EvaluateRobustnessRequest& request,
                       const std::string& label, Interrupts& interrupts,
                       Progress& progress, v1::Evaluation* evaluation);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_EVALUATION_RUN_H_
