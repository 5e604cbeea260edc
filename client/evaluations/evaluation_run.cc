#include "client/evaluations/evaluation_run.h"

#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"
#include "client/session/errors.h"

namespace adv {
namespace {

// How long a second Ctrl-C can still cancel what the first one left running.
constexpr std::chrono::seconds kSecondThoughts(3);

// An evaluation that was just cancelled ends with the passes that it computes.
// So long, and so often, it is asked for again.
constexpr std::chrono::seconds kEndingTime(60);
constexpr std::chrono::milliseconds kEndingPause(500);

// Without an id the server has not answered, and only the command leads back.
std::string HowToReturn(const v1::Evaluation& evaluation) {
  if (evaluation.id().empty()) return "run the same command again";
  return absl::StrCat(
      "run the same command again, or: advctl evaluations attach ",
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
  if (reason == "EVALUATION_FAILED" || reason == "EVALUATION_CANCELLED" ||
      reason == "STORAGE_FULL" || reason == "OUT_OF_MEMORY") {
    context.err() << "What was done so far is kept; to go on with it: advctl "
                     "evaluations resume "
                  << Visible(ShortId(evaluation.id())) << std::endl;
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

// Asks for the evaluation again, by what identifies it. Its models are there as
// NAME@VERSION, so newer versions make no difference.
v1::EvaluateRobustnessRequest RequestFor(const v1::Evaluation& evaluation) {
  v1::EvaluateRobustnessRequest request;
  *request.mutable_spec() = evaluation.resolved().spec();
  request.set_expected_id(evaluation.id());
  return request;
}

// Begins the evaluation, takes its first message, and leaves it running.
grpc::Status Start(Connection& connection,
                   const v1::EvaluateRobustnessRequest& request,
                   v1::Evaluation* evaluation) {
  const auto call = connection.NewCall(kQuickSeconds);
  const auto stream =
      connection.evaluation().EvaluateRobustness(call.get(), request);
  v1::EvaluateRobustnessResponse message;
  if (!stream->Read(&message)) return stream->Finish();
  *evaluation = message.evaluation();
  call->TryCancel();
  stream->Finish();
  return grpc::Status::OK;
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

std::string EvaluationLabel(const v1::EvaluationSpec& spec) {
  std::string label = spec.model();
  if (spec.attacks_size() == 1) {
    absl::StrAppend(&label, " ", AttackTitle(spec.attacks(0)));
  }
  if (spec.epsilons_size() == 1) {
    absl::StrAppend(&label, " ", EpsilonText(spec.epsilons(0)));
  }
  return label;
}

ExitCode FollowEvaluation(Context& context, Connection& connection,
                          Interrupts& interrupts, Progress& progress,
                          v1::Evaluation* evaluation) {
  const v1::EvaluateRobustnessRequest request = RequestFor(*evaluation);
  evaluation->Clear();
  return RunEvaluation(context, connection, request,
                       EvaluationLabel(request.spec()), interrupts, progress,
                       evaluation);
}

ExitCode StartEvaluation(Context& context, Connection& connection,
                         v1::Evaluation* evaluation) {
  const v1::EvaluateRobustnessRequest request = RequestFor(*evaluation);
  const auto end = std::chrono::steady_clock::now() + kEndingTime;
  grpc::Status status = Start(connection, request, evaluation);
  while (ReasonOf(status) == "EVALUATION_ENDING" &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kEndingPause);
    status = Start(connection, request, evaluation);
  }
  return status.ok() ? kOk : context.Fail(status);
}

}  // namespace adv
