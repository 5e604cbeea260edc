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

// What the progress line says of an evaluation: "no-cat FGSM 0.01". The attack
// is left out if there are several, and so is the epsilon.
std::string EvaluationLabel(const v1::EvaluationSpec& spec);

// Follows an evaluation that the server knows, as RunEvaluation does. It
// attaches to one that runs and resumes one that was cancelled or failed. The
// server refuses (EVALUATION_CHANGED) if its models or data have changed, so
// that no other evaluation begins. `evaluation` needs its id and its resolved
// specification.
ExitCode FollowEvaluation(Context& context, Connection& connection,
                          Interrupts& interrupts, Progress& progress,
                          v1::Evaluation* evaluation);

// Starts or resumes the same and returns as soon as it runs; one that is just
// being cancelled is waited for. `evaluation` then has its state.
ExitCode StartEvaluation(Context& context, Connection& connection,
                         v1::Evaluation* evaluation);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_EVALUATION_RUN_H_
