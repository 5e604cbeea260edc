#ifndef ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_
#define ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/session/context.h"
#include "client/session/interrupts.h"
#include "client/session/progress.h"

namespace adv {

// Asks again for the adversarial images of finished evaluations and writes them
// to `folder`, which is new or empty, with one folder below it for each model,
// attack and epsilon. It saves all of them or none: after a failure or Ctrl-C
// nothing is left there, the reason has been printed, and the result is the
// command's exit code.
ExitCode SaveImages(Context& context, Connection& connection,
                    const std::vector<v1::Evaluation>& evaluations,
                    const std::string& folder, Interrupts& interrupts,
                    Progress& progress);

}  // namespace adv

#endif  // ADV_CLIENT_EVALUATIONS_SAVE_RUN_H_
