#ifndef ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_
#define ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/session/context.h"
#include "client/session/interrupts.h"
#include "client/session/progress.h"

namespace adv {

// Asks for the adversarial images of finished evaluations again and writes them
// to `folder`, which is new or empty: one folder below it for each model,
// attack and epsilon. All of them or none: on failure and on Ctrl-C nothing is
// left there, the reason has been printed, and the result is the command's
// exit code.
ExitCode SaveImages(Context& context, Connection& connection,
                    const std::vector<v1::Evaluation>& evaluations,
                    const std::string& folder, Interrupts& interrupts,
                    Progress& progress);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_
