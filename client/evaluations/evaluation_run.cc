#include "client/evaluations/evaluation_run.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"
#include "client/session/errors.h"

namespace adv {
namespace {

// How long a second Ctrl-C can still cancel what the first one left running.
constexpr std::chrono::seconds kSecondThoughts(3);

// Without an id the server has not answered, and only the command leads back.
std::string HowToReturn(const v1::Evaluation& evaluation) {
  if (evaluation.id().empty()) return "run the same command again";
  return absl::StrCat(
      "run the same command again, or: advctl evaluations show ",
      Visible(ShortId(evaluation.id())));
}

// Returns kFailed even if it works, because the command has no result.
ExitCode CancelEvaluation(Context& context, Connection& connection,
                          const std::string& id) {
  const auto call = connection.NewCall(kQuickSeconds);
  v1::CancelEvaluationRequest request;
  request.set_id(id);
  v1::CancelEvaluationResponse response;
  const grpc::Status status =
      connection.evaluation().CancelEvaluation(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  context.err() << "Cancelled " << Visible(ShortId(id))
                << "; what was done so far is kept." << std::endl;
  return kFailed;
}

// Tells what the first Ctrl-C did, and waits for another one where that could
// still cancel the evaluation.
ExitCode Interrupted(Context& context, Connection& connection,
                     bool cancel_on_disconnect, Interrupts& interrupts,
                     const v1::Evaluation& evaluation) {
  // The broken stream has cancelled it already, or the server ends with this
  // process.
  if (connection.is_private() || cancel_on_disconnect) {
    context.err() << "Cancelled." << std::endl;
    return kFailed;
  }
  if (evaluation.id().empty()) {
    context.err() << "Detached before the server answered; to come back, "
                  << HowToReturn(evaluation) << std::endl;
    return kFailed;
  }
  context.err() << "Detached; the evaluation goes on. To come back, "
                << HowToReturn(evaluation)
                << "\nCtrl-C again within 3 seconds cancels it." << std::endl;
  if (interrupts.WaitFor(2, kSecondThoughts)) {
    return CancelEvaluation(context, connection, evaluation.id());
  }
  return kFailed;
}

// Says after a failed call whether the evaluation goes on.
void TellWhatBecameOfIt(Context& context, const grpc::Status& status,
                        ExitCode code, const v1::Evaluation& evaluation) {
  const std::string reason = ReasonOf(status);
  // After these the server has ended the evaluation; after others it may still
  // run.
  if (reason == "EVALUATION_FAILED" || reason == "STORAGE_FULL" ||
      reason == "OUT_OF_MEMORY") {
    context.err() << "What was done so far is kept; to resume it, run the same "
                     "command again."
                  << std::endl;
  } else if (code != kRefused) {
    context.err() << "The evaluation may still go on; to come back, "
                  << HowToReturn(evaluation) << std::endl;
  }
}

// Takes one message of the stream. The report comes without a state, but only
// an evaluation that succeeded has one.
void Take(const v1::EvaluateRobustnessResponse& message, Progress& progress,
          v1::Evaluation* evaluation) {
  if (message.has_evaluation()) *evaluation = message.evaluation();
  if (message.has_progress()) progress.Update(message.progress());
  if (message.has_report()) {
    *evaluation->mutable_report() = message.report();
    evaluation->set_state(v1::EVALUATION_STATE_SUCCEEDED);
  }
}

}  // namespace

ExitCode RunEvaluation(Context& context, Connection& connection,
                       const v1::EvaluateRobustnessRequest& request,
                       const std::string& label, Interrupts& interrupts,
                       Progress& progress, v1::Evaluation* evaluation) {
  const auto call = connection.NewCall(kEvaluationSeconds);
  progress.Begin(label);
  const auto stream =
      connection.evaluation().EvaluateRobustness(call.get(), request);
  // TryCancel ends Read below. The function must be taken back before `call`
  // goes out of scope.
  interrupts.OnInterrupt([&call] { call->TryCancel(); });
  v1::EvaluateRobustnessResponse message;
  while (stream->Read(&message)) {
    const bool first = evaluation->id().empty();
    Take(message, progress, evaluation);
    if (first && message.has_evaluation()) {
      context.Verbose(absl::StrCat("evaluation ", evaluation->id()));
    }
  }
  const grpc::Status status = stream->Finish();
  interrupts.OnInterrupt({});
  progress.End();
  // A report counts even if Ctrl-C came just after it.
  if (status.ok() && evaluation->has_report()) return kOk;
  if (interrupts.count() > 0) {
    return Interrupted(context, connection, request.cancel_on_disconnect(),
                       interrupts, *evaluation);
  }
  if (status.ok()) {
    return context.Fail(absl::InternalError(
        "the server ended the evaluation without a report"));
  }
  const ExitCode code = context.Fail(status);
  if (!connection.is_private() && !evaluation->id().empty()) {
    TellWhatBecameOfIt(context, status, code, *evaluation);
  }
  return code;
}

}  // namespace adv
