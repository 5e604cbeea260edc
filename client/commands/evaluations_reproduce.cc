#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/evaluation_comparison.h"
#include "client/commands/one_evaluation.h"
#include "client/evaluations/evaluation_run.h"
#include "client/printers/numbers.h"
#include "client/session/errors.h"
#include "client/session/interrupts.h"
#include "client/session/progress.h"

namespace adv {
namespace {

struct ReproduceFlags {
  std::string id;
  std::string on;
  std::uint64_t limit = 0;
};

// A model or a data set that is another one where it would be computed.
std::string DigestText(const std::string& what, const std::string& wanted,
                       const std::string& found) {
  return absl::StrCat(what, " has another digest there\n  evaluated: ", wanted,
                      "\n  there:     ", found);
}

// Appends to `wrong` if the model is another one there.
ExitCode CheckModel(Context& context, Connection& there,
                    const v1::ModelReference& wanted,
                    std::vector<std::string>* wrong) {
  const auto call = there.NewCall(kQuickSeconds);
  v1::GetModelRequest request;
  request.set_model(ModelText(wanted));
  v1::GetModelResponse response;
  const grpc::Status status =
      there.models().GetModel(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  if (response.model().digest() != wanted.digest()) {
    wrong->push_back(DigestText(absl::StrCat("model ", ModelText(wanted)),
                                wanted.digest(), response.model().digest()));
  }
  return kOk;
}

// The same for the data set.
ExitCode CheckDataset(Context& context, Connection& there,
                      const v1::ResolvedSpec& wanted,
                      std::vector<std::string>* wrong) {
  const auto call = there.NewCall(kQuickSeconds);
  v1::GetServerInfoResponse info;
  const grpc::Status status =
      there.server().GetServerInfo(call.get(), {}, &info);
  if (!status.ok()) return context.Fail(status);
  const std::string& name = wanted.spec().dataset();
  const auto found = std::find_if(
      info.datasets().begin(), info.datasets().end(),
      [&name](const v1::DatasetInfo& one) { return one.name() == name; });
  if (found == info.datasets().end()) {
    return context.Fail(
        absl::NotFoundError(absl::StrCat(
            "there is no data set '", name, "' there; there are ",
            absl::StrJoin(info.datasets(), ", ",
                          [](std::string* out, const v1::DatasetInfo& one) {
                            absl::StrAppend(out, one.name());
                          }),
            "\nA private server takes more: --local --dataset=NAME=DIR")),
        kRefused);
  }
  if (found->sha256() != wanted.dataset_sha256()) {
    wrong->push_back(DigestText(absl::StrCat("data set ", name),
                                wanted.dataset_sha256(), found->sha256()));
  }
  return kOk;
}

// Before anything is computed: models and data must be those that were
// evaluated.
ExitCode CheckInputs(Context& context, Connection& there,
                     const v1::ResolvedSpec& wanted) {
  std::vector<std::string> wrong;
  ExitCode code = CheckModel(context, there, wanted.model(), &wrong);
  const bool transfer =
      wanted.source_model().digest() != wanted.model().digest();
  if (code == kOk && transfer) {
    code = CheckModel(context, there, wanted.source_model(), &wrong);
  }
  if (code == kOk) code = CheckDataset(context, there, wanted, &wrong);
  if (code != kOk || wrong.empty()) return code;
  return context.Fail(absl::FailedPreconditionError(absl::StrCat(
      "it cannot be the same evaluation, so nothing was computed: ",
      absl::StrJoin(wrong, "\n"))));
}

// A server gives a finished evaluation back from its store. That would compare
// records, but compute nothing.
ExitCode CheckNotFinished(Context& context, Connection& there,
                          const std::string& id, const std::string& address) {
  const auto call = there.NewCall(kQuickSeconds);
  v1::GetEvaluationRequest request;
  request.set_id(id);
  v1::GetEvaluationResponse response;
  const grpc::Status status =
      there.evaluation().GetEvaluation(call.get(), request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return kOk;
  if (!status.ok()) return context.Fail(status);
  if (!response.evaluation().has_report()) return kOk;
  const std::string short_id = ShortId(id);
  return context.Fail(absl::FailedPreconditionError(absl::StrCat(
      address,
      " has finished this evaluation already, so it would compute "
      "nothing\nTo compare the two:       advctl evaluations diff ",
      short_id, " ", short_id, " --other-server=", address,
      "\nTo compute it once more:  advctl --server=", address,
      " evaluations delete ", short_id)));
}

ExitCode Compute(Context& context, Connection& there, Interrupts& interrupts,
                 v1::Evaluation evaluation) {
  Progress progress = Progress::For(context.err());
  return FollowEvaluation(context, there, interrupts, progress, &evaluation);
}

ExitCode ReproduceEvaluation(Context& context, const ReproduceFlags& flags) {
  if (context.options().local && !flags.on.empty()) {
    return context.Usage("--on: names a server; --local is a private one");
  }
  Interrupts interrupts;  // must exist before gRPC's first thread
  // Until the evaluation is followed, there is nothing to detach from.
  interrupts.OnInterrupt([] { _exit(kFailed); });
  GlobalOptions options = context.options();
  options.local = false;
  const auto original = Connection::Open(options);
  if (!original.ok()) {
    return context.Fail(original.status(), ConnectErrorCode(original.status()));
  }
  FinishedEvaluation a{original->get(), {}};
  ExitCode code = GetFinished(context, flags.id, &a);
  if (code != kOk) return code;
  // The context's own server is the one that computes.
  context.options().local = flags.on.empty();
  if (!flags.on.empty()) {
    context.options().access = AccessFlags::To(flags.on);
  }
  FinishedEvaluation b{context.Connect(), {}};
  if (b.server == nullptr) return context.connect_error();
  code = CheckInputs(context, *b.server, a.evaluation.resolved());
  if (code != kOk) return code;
  code = CheckNotFinished(context, *b.server, a.evaluation.id(), flags.on);
  if (code != kOk) return code;
  code = Compute(context, *b.server, interrupts, a.evaluation);
  if (code != kOk) return code;
  code = GetFinished(context, a.evaluation.id(), &b);
  if (code != kOk) return code;
  return CompareAndPrint(context, a, b, flags.limit);
}

}  // namespace

void AddEvaluationsReproduce(CLI::App* group, Action* action) {
  CLI::App* command = group->add_subcommand(
      "reproduce", "Compute a finished evaluation again, and compare");
  auto flags = std::make_shared<ReproduceFlags>();
  AddEvaluationId(command, &flags->id);
  command
      ->add_option("--on", flags->on,
                   "The server that computes it again; default a private one "
                   "on this machine, as --local")
      ->type_name("ADDRESS");
  AddDiffLimit(command, &flags->limit);
  command->footer(
      "Examples:\n"
      "  advctl evaluations reproduce 3f9a1c22d0e4\n"
      "      on a private server of this machine, which has the shipped "
      "models\n"
      "  advctl evaluations reproduce 3f9a1c22d0e4 --local --store=models\n"
      "  advctl evaluations reproduce 3f9a1c22d0e4 --on=other:50051\n"
      "\n"
      "--server has the evaluation. Models and data are compared by digest\n"
      "before anything is computed. Then `identical`, or what differs, as\n"
      "`evaluations diff` shows it: A is the old one and B the new one.\n"
      "Exit status: 0 if all records are the same to the last bit, 1 if not.");
  command->callback([action, flags] {
    *action = [flags](Context& context) {
      return ReproduceEvaluation(context, *flags);
    };
  });
}

}  // namespace adv
