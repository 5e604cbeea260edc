#include "client/printers/transfer.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/evaluations/evaluation_plan.h"
#include "client/evaluations/evaluation_run.h"
#include "client/evaluations/transfer_matrix.h"
#include "client/printers/json.h"
#include "client/printers/report.h"
#include "command_line/list.h"

namespace adv {
namespace {

// As --sources or --targets alone it stands for all models that are ready.
constexpr char kAll[] = "all";

struct TransferFlags {
  std::vector<std::string> sources, targets;
  // The flags that `evaluate` has, too: attack, epsilon, data set and so on.
  EvaluateFlags evaluate;
  std::string measure = "robust";
};

// The state of one run of the command.
class Transfer {
 public:
  Transfer(Context& context, const TransferFlags& flags,
           v1::EvaluationSpec spec, TransferMeasure measure)
      : context_(context),
        flags_(flags),
        spec_(std::move(spec)),
        measure_(measure),
        progress_(Progress::For(context.err())) {}

  ExitCode Run() {
    // Until an evaluation starts, there is nothing to detach from.
    interrupts_.OnInterrupt([] { _exit(kFailed); });
    server_ = context_.Connect();
    if (server_ == nullptr) return context_.connect_error();
    matrix_.sources = flags_.sources;
    matrix_.targets = flags_.targets;
    if (const ExitCode code = NameAll(); code != kOk) return code;
    for (const std::string& source : matrix_.sources) {
      for (const std::string& target : matrix_.targets) {
        const ExitCode code = Measure(source, target);
        if (code != kOk) return code;
      }
    }
    Print();
    return kOk;
  }

 private:
  // Replaces "all" by the names of the models that are ready.
  ExitCode NameAll() {
    const std::vector<std::string> all = {kAll};
    // Without "all" the server need not be asked for its models.
    if (matrix_.sources != all && matrix_.targets != all) return kOk;
    const auto call = server_->NewCall(kQuickSeconds);
    v1::ListModelsResponse response;
    const grpc::Status status =
        server_->models().ListModels(call.get(), {}, &response);
    if (!status.ok()) return context_.Fail(status);
    std::vector<std::string> names;
    for (const v1::Model& model : response.models()) {
      // Several versions of a model may be ready. Its name stands for the
      // newest.
      const bool known =
          std::find(names.begin(), names.end(), model.name()) != names.end();
      if (model.state() == v1::MODEL_STATE_READY && !known) {
        names.push_back(model.name());
      }
    }
    if (names.empty()) {
      return context_.Fail(
          absl::FailedPreconditionError("the server has no model"), kRefused);
    }
    if (matrix_.sources == all) matrix_.sources = names;
    if (matrix_.targets == all) matrix_.targets = names;
    return kOk;
  }

  ExitCode Measure(const std::string& source, const std::string& target) {
    v1::EvaluateRobustnessRequest request;
    *request.mutable_spec() = spec_;
    request.mutable_spec()->set_model(target);
    // Without a source model the pair is the white-box evaluation of the
    // target, which `evaluate` shares.
    if (source != target) request.mutable_spec()->set_source_model(source);
    const std::size_t total = matrix_.sources.size() * matrix_.targets.size();
    // The evaluations are appended row by row, so their number is the place of
    // this pair.
    const std::size_t done = matrix_.evaluations.size();
    // The estimate takes the mean of the server's computing time. This
    // command's own time would mislead: a pair that the server had computed
    // before took none of it.
    progress_.ExpectAfter(done == 0
                              ? 0
                              : seconds_ / static_cast<double>(done) *
                                    static_cast<double>(total - done - 1));
    matrix_.evaluations.emplace_back();
    v1::Evaluation& evaluation = matrix_.evaluations.back();
    const ExitCode code = RunEvaluation(
        context_, *server_, request,
        absl::StrCat("[", done + 1, "/", total, "] ", source, " to ", target),
        interrupts_, progress_, &evaluation);
    if (code != kOk) return code;
    // The printers take the first result of each report.
    if (evaluation.report().results().empty()) {
      return context_.Fail(
          absl::InternalError("the server's report has no results"));
    }
    seconds_ += evaluation.report().environment().wall_seconds();
    return kOk;
  }

  void Print() {
    switch (context_.options().output) {
      case OutputFormat::kJson:
        context_.out() << JsonText(TransferJson(matrix_, measure_));
        break;
      case OutputFormat::kCsv:
        context_.out() << ReportCsv(matrix_.evaluations);
        break;
      case OutputFormat::kTable:
        context_.out() << TransferText(matrix_, measure_, context_.style());
        break;
    }
  }

  Context& context_;
  const TransferFlags& flags_;
  const v1::EvaluationSpec spec_;
  const TransferMeasure measure_;
  Interrupts interrupts_;  // must exist before gRPC's first thread
  Progress progress_;
  Connection* server_ = nullptr;
  TransferMatrix matrix_;
  double seconds_ = 0;  // the server's computing time so far
};

// The specification of all pairs, without models.
absl::StatusOr<v1::EvaluationSpec> Plan(const TransferFlags& flags) {
  EvaluateFlags one = flags.evaluate;
  // The plan is for any model; it only wants to know that there is one. A
  // matrix compares enough, so nothing is put beside it.
  one.models = flags.targets;
  one.no_compare = true;
  const auto plan = PlanEvaluations(one);
  if (!plan.ok()) return plan.status();
  const v1::EvaluationSpec& spec = plan->specs.front();
  // Attacks with different default epsilons make more than one specification.
  if (plan->specs.size() > 1 || spec.attacks_size() > 1) {
    return absl::InvalidArgumentError(
        "--attack: a matrix is of one attack; give one");
  }
  if (spec.epsilons_size() > 1) {
    return absl::InvalidArgumentError(
        "--epsilon: a matrix is of one epsilon; give one");
  }
  for (const auto& [flag, names] : {std::pair("--sources", &flags.sources),
                                    std::pair("--targets", &flags.targets)}) {
    if (names->size() > 1 &&
        std::find(names->begin(), names->end(), kAll) != names->end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": all stands alone, without other names"));
    }
  }
  return spec;
}

ExitCode Run(Context& context, const TransferFlags& flags) {
  const auto measure = ParseMeasure(flags.measure);
  if (!measure.ok()) return context.Usage("--measure", measure.status());
  auto spec = Plan(flags);
  if (!spec.ok()) return context.Fail(spec.status(), kUsage);
  return Transfer(context, flags, *std::move(spec), *measure).Run();
}

void AddOptions(CLI::App* command, TransferFlags* flags) {
  AddList(command, "--sources", &flags->sources,
          "Models that give the gradients, with commas between, or "
          "all")
      ->type_name("NAMES")
      ->required();
  AddList(command, "--targets", &flags->targets,
          "Models that are attacked, with commas between, or all")
      ->type_name("NAMES")
      ->required();
  // `evaluate` has two attacks by default, but a matrix is of one.
  flags->evaluate.attacks = {"fgsm"};
  AddList(command, "--attack", &flags->evaluate.attacks,
          "One attack, NAME or NAME:PARAMETER=VALUE:...; default fgsm")
      ->type_name("ATTACK");
  command
      ->add_option("--epsilon", flags->evaluate.epsilons,
                   "One size: 2/255 or 0.01; default 0.01 for fgsm, 2/255 for "
                   "the others, 0.5 in l2")
      ->type_name("SIZE");
  command
      ->add_option("--norm", flags->evaluate.norm,
                   "How epsilon is measured: linf or l2; default the attack's "
                   "first")
      ->type_name("NORM");
  command
      ->add_option("--measure", flags->measure,
                   "What the matrix shows: robust (default), success or "
                   "perturbed")
      ->type_name("MEASURE");
  command
      ->add_option("--dataset", flags->evaluate.dataset,
                   "Data set of the server (server info); default "
                   "cifar10-sample. With --local, NAME=DIR brings one")
      ->type_name("NAME");
  command
      ->add_option("--samples", flags->evaluate.samples,
                   "Images drawn, the same number of each class; default all")
      ->type_name("N")
      ->check(WholeNumber(0, UINT64_MAX));
  command
      ->add_option("--seed", flags->evaluate.seed,
                   "Seed of the choice of images and of every random draw; "
                   "default 0")
      ->type_name("N")
      ->check(WholeNumber(0, UINT64_MAX));
  command->add_flag("--eight-bit", flags->evaluate.eight_bit,
                    "Perturb on multiples of 1/255 and verify the bytes");
}

}  // namespace

void AddTransfer(CLI::App& app, Action* action) {
  CLI::App* command = app.add_subcommand(
      "transfer", "Measure how attacks on some models work on others");
  auto flags = std::make_shared<TransferFlags>();
  AddOptions(command, flags.get());
  command->footer(
      "Examples:\n"
      "  advctl transfer --sources=balanced,no-cat --targets=all\n"
      "      FGSM at epsilon .01, the gradients from two models\n"
      "  advctl transfer --sources=all --targets=all --attack=mi-fgsm "
      "--epsilon=4/255\n"
      "  advctl transfer --sources=all --targets=no-cat --measure=success "
      "--output=csv\n"
      "\n"
      "Each pair is an evaluation that the server keeps: after Ctrl-C the "
      "same\n"
      "command goes on where it was.");
  command->callback([action, flags] {
    *action = [flags](Context& context) {
      // Both the plan and the private server depend on this, so it comes first.
      TakeLocalDataset(&flags->evaluate, &context.options());
      return Run(context, *flags);
    };
  });
}

}  // namespace adv
