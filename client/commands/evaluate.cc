#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/evaluations/evaluation_plan.h"
#include "client/evaluations/evaluation_run.h"
#include "client/evaluations/save_run.h"
#include "client/files/distinct_files.h"
#include "client/files/new_folder.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "command_line/list.h"

namespace adv {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  advctl evaluate --model=no-cat\n"
    "      FGSM at epsilon .01 and IGSM at 2/255 on the built-in sample, with\n"
    "      the model `balanced` beside it\n"
    "  advctl evaluate --model=no-cat --attack=igsm --epsilon=0:8/255:1/255\n"
    "      one attack at nine epsilons (START:LAST:STEP)\n"
    "  advctl evaluate --model=balanced,no-cat --epsilon=0.01,2/255,4/255\n"
    "      every attack at every epsilon, for two models\n"
    "  advctl evaluate --model=no-cat "
    "--attack=pgd:steps=20:restarts=5,square\n"
    "      parameters of an attack; `advctl attacks show pgd` lists them\n"
    "  advctl evaluate --model=no-cat --attack=carlini-wagner "
    "--epsilon=0.25,0.5\n"
    "      an attack that measures in L2\n"
    "  advctl evaluate --model=no-cat --attack=auto-attack --samples=100\n"
    "  advctl evaluate --model=no-cat "
    "--attack=auto-attack:members=apgd-ce+apgd-t\n"
    "      an ensemble of your own\n"
    "  advctl evaluate --model=no-cat --goal=targeted:dog --samples=200\n"
    "  advctl evaluate --model=no-cat --source-model=balanced\n"
    "      transfer: gradients from one model, verdict from the other\n"
    "  advctl evaluate --model=no-cat --output=csv > no-cat.csv\n"
    "  advctl evaluate --model=no-cat --eight-bit --save=images\n"
    "      one PNG an image, and all of them in images.safetensors\n"
    "\n"
    "Epsilons: 8/255 is eight grey levels; 0.031 is in pixel units, 0 to 1.\n"
    "Ctrl-C detaches: the evaluation goes on, and the same command comes back\n"
    "to it. Ctrl-C twice cancels it.";

// The state of one run of the command.
class Evaluate {
 public:
  Evaluate(Context& context, const EvaluateFlags& flags, EvaluationPlan plan)
      : context_(context),
        flags_(flags),
        plan_(std::move(plan)),
        progress_(Progress::For(context.err())) {}

  ExitCode Run() {
    // Until an evaluation starts, there is nothing to detach from. The call
    // comes on another thread, where exit() would destroy what this thread
    // still uses.
    interrupts_.OnInterrupt([] { _exit(kFailed); });
    server_ = context_.Connect();
    if (server_ == nullptr) return context_.connect_error();
    if (const ExitCode code = FindComparison(); code != kOk) return code;
    if (const ExitCode code = ResolveGoals(); code != kOk) return code;
    // The number of evaluations, for the labels of the progress line.
    total_ = plan_.specs.size() *
             (flags_.models.size() + (plan_.compare.empty() ? 0 : 1));
    // One entry for each model; the model beside belongs to the first.
    std::vector<ModelResults> results;
    for (const std::string& model : flags_.models) {
      results.emplace_back();
      const ExitCode code = Measure(model, &results.back().evaluations);
      if (code != kOk) return code;
      // The server answers a repeat from its store, so this costs no time.
      if (IsRepeat(results)) results.pop_back();
    }
    if (!plan_.compare.empty()) {
      ModelResults& first = results.front();
      const ExitCode code = Measure(plan_.compare, &first.beside);
      if (code != kOk) return code;
      // --compare may name the measured model once more, as NAME@VERSION.
      if (SameModel(first.beside, first.evaluations)) first.beside.clear();
    }
    Print(results);
    if (flags_.save.empty()) return kOk;
    // The report is there before the images, which may take as long again.
    context_.out().flush();
    return SaveImages(context_, *server_, All(results), flags_.save,
                      interrupts_, progress_);
  }

 private:
  // Drops a suggested comparison if the server has no such model.
  ExitCode FindComparison() {
    if (plan_.compare.empty() || plan_.compare_required) return kOk;
    const auto call = server_->NewCall(kQuickSeconds);
    v1::GetModelRequest request;
    request.set_model(plan_.compare);
    v1::GetModelResponse response;
    const auto status =
        server_->models().GetModel(call.get(), request, &response);
    if (status.ok()) return kOk;
    // Other errors do not tell that the model is missing.
    if (status.error_code() != grpc::StatusCode::NOT_FOUND) {
      return context_.Fail(status);
    }
    plan_.compare.clear();
    return kOk;
  }

  // Turns the goal into a message. A class given by name needs a model's list
  // of names; other goals do not look at the list, and an empty one will do.
  ExitCode ResolveGoals() {
    v1::GetModelResponse response;
    if (plan_.goal.rule == v1::TARGET_RULE_FIXED) {
      const auto call = server_->NewCall(kQuickSeconds);
      v1::GetModelRequest request;
      request.set_model(flags_.models.front());
      const auto status =
          server_->models().GetModel(call.get(), request, &response);
      if (!status.ok()) return context_.Fail(status);
    }
    const auto goal =
        ResolveGoal(plan_.goal, response.model().manifest().class_names());
    if (!goal.ok()) return context_.Usage("--goal", goal.status());
    for (v1::EvaluationSpec& spec : plan_.specs) *spec.mutable_goal() = *goal;
    return kOk;
  }

  // Runs all evaluations of one model. The first failure ends the command.
  ExitCode Measure(const std::string& model,
                   std::vector<v1::Evaluation>* evaluations) {
    for (const v1::EvaluationSpec& spec : plan_.specs) {
      v1::EvaluateRobustnessRequest request;
      *request.mutable_spec() = spec;
      // The plan is made for any model, so its specifications name none.
      request.mutable_spec()->set_model(model);
      request.set_cancel_on_disconnect(flags_.cancel_on_disconnect);
      evaluations->emplace_back();
      const ExitCode code =
          RunEvaluation(context_, *server_, request,
                        absl::StrCat("[", ++number_, "/", total_, "] ",
                                     EvaluationLabel(request.spec())),
                        interrupts_, progress_, &evaluations->back());
      if (code != kOk) return code;
    }
    return kOk;
  }

  // NAME and NAME@VERSION may be one model, but only the server knows that.
  static bool SameModel(const std::vector<v1::Evaluation>& a,
                        const std::vector<v1::Evaluation>& b) {
    const auto name = [](const std::vector<v1::Evaluation>& evaluations) {
      return ModelText(evaluations.front().report().resolved().model());
    };
    return name(a) == name(b);
  }

  // Whether the last results are those of a model that is there already.
  static bool IsRepeat(const std::vector<ModelResults>& results) {
    return std::any_of(results.begin(), results.end() - 1,
                       [&results](const ModelResults& one) {
                         return SameModel(one.evaluations,
                                          results.back().evaluations);
                       });
  }

  // All evaluations in the order of the report: each model's, then those of the
  // model beside it.
  static std::vector<v1::Evaluation> All(
      const std::vector<ModelResults>& results) {
    std::vector<v1::Evaluation> all;
    for (const ModelResults& one : results) {
      all.insert(all.end(), one.evaluations.begin(), one.evaluations.end());
      all.insert(all.end(), one.beside.begin(), one.beside.end());
    }
    return all;
  }

  // People get a report for each model and then the summary; programs get one
  // list of all evaluations.
  void Print(const std::vector<ModelResults>& results) {
    if (context_.options().output == OutputFormat::kTable) {
      for (const ModelResults& one : results) {
        // A private server ends with this command, so the report must not tell
        // how to ask it again.
        context_.out() << ReportText(one, context_.style(),
                                     !server_->is_private());
        if (results.size() > 1) context_.out() << "\n";
      }
      if (results.size() > 1) {
        context_.out() << SummaryText(results, context_.style());
      }
      return;
    }
    const std::vector<v1::Evaluation> all = All(results);
    if (context_.options().output == OutputFormat::kCsv) {
      context_.out() << ReportCsv(all);
      return;
    }
    auto list = nlohmann::ordered_json::array();
    for (const v1::Evaluation& one : all) list.push_back(ToJson(one));
    context_.out() << JsonText({{"evaluations", list}});
  }

  Context& context_;
  const EvaluateFlags& flags_;
  EvaluationPlan plan_;
  Interrupts interrupts_;  // must exist before gRPC's first thread
  Progress progress_;
  Connection* server_ = nullptr;
  std::size_t number_ = 0, total_ = 0;
};

// A folder that the private server reads must not become the folder of the
// images.
absl::Status CheckSave(const GlobalOptions& options, const std::string& save) {
  std::vector<NamedFile> inputs;
  for (const std::string& store : options.stores) {
    inputs.push_back({"--store", store});
  }
  for (const std::string& dataset : options.datasets) {
    // "NAME=DIR": the folder follows the name.
    inputs.push_back({"--dataset", dataset.substr(dataset.find('=') + 1)});
  }
  return CheckDistinct({{"--save", save}}, inputs);
}

// The flags are a copy, because TakeLocalDataset changes them.
ExitCode Run(Context& context, EvaluateFlags flags) {
  // This comes first: both the plan and the private server depend on it.
  TakeLocalDataset(&flags, &context.options());
  auto plan = PlanEvaluations(flags);
  if (!plan.ok()) return context.Fail(plan.status(), kUsage);
  // The folder is checked before the long measurement and not after it.
  if (!flags.save.empty()) {
    const auto distinct = CheckSave(context.options(), flags.save);
    if (!distinct.ok()) return context.Fail(distinct, kUsage);
    const auto status = CheckNewFolder(flags.save);
    if (!status.ok()) return context.Fail(status);
  }
  return Evaluate(context, flags, *std::move(plan)).Run();
}

// The options that say what is measured.
void AddWhat(CLI::App* command, EvaluateFlags* flags) {
  AddList(command, "--model", &flags->models,
          "Models to attack, NAME or NAME@VERSION, with commas between")
      ->type_name("NAMES")
      ->required();
  AddList(command, "--attack", &flags->attacks,
          "Attacks with commas between, each NAME or "
          "NAME:PARAMETER=VALUE:... (attacks list, attacks show); "
          "default fgsm,igsm. Names of the field work, too: bim, mim, "
          "cw, ill, hsj, apgd-ce, apgd-dlr, apgd-t, fab-t")
      ->type_name("ATTACKS");
  command
      ->add_option("--norm", flags->norm,
                   "How epsilon is measured: linf or l2; default the first "
                   "that all the attacks have")
      ->type_name("NORM");
  command
      ->add_option("--epsilon", flags->epsilons,
                   "Sizes: a list (0.01,2/255) or a range "
                   "(0:8/255:1/255); default 0.01 for fgsm, 2/255 for the "
                   "others, 0.5 in l2, and for noise that of the attacks "
                   "beside it")
      ->type_name("SIZES");
  command
      ->add_option("--goal", flags->goal,
                   "untargeted (default), targeted:CLASS, least-likely, "
                   "next or random")
      ->type_name("GOAL");
  command
      ->add_option("--dataset", flags->dataset,
                   "Data set of the server (server info); default "
                   "cifar10-sample. With --local, NAME=DIR brings one")
      ->type_name("NAME");
  command
      ->add_option("--samples", flags->samples,
                   "Images drawn, the same number of each class; default "
                   "all")
      ->type_name("N")
      ->check(WholeNumber(0, UINT64_MAX));
  command
      ->add_option("--seed", flags->seed,
                   "Seed of the choice of images and of every random draw; "
                   "default 0")
      ->type_name("N")
      ->check(WholeNumber(0, UINT64_MAX));
}

// The options that say how it is measured and shown.
void AddHow(CLI::App* command, EvaluateFlags* flags) {
  command
      ->add_option("--source-model", flags->source_model,
                   "Take the gradients from this model (transfer)")
      ->type_name("NAME");
  command->add_option("--steps", flags->steps, "Steps of the iterative attacks")
      ->type_name("N")
      ->check(WholeNumber(1, kMostSteps));
  command
      ->add_option("--step-size", flags->step_size,
                   "Change per step, like an epsilon; default the attack's")
      ->type_name("SIZE");
  command
      ->add_option("--success", flags->success,
                   "Which image of an iterative attack counts: last "
                   "(default) or any")
      ->type_name("RULE");
  command->add_flag("--thesis-mode", flags->thesis_mode,
                    "FGSM without clipping to [0, 1] and with sign(0) = +1");
  command->add_flag("--eight-bit", flags->eight_bit,
                    "Perturb on multiples of 1/255 and verify the bytes");
  command
      ->add_option("--precision", flags->precision,
                   "float32 (default), or fast: attack with faster passes, "
                   "judge in float32, and attack again in float32 what is "
                   "not fooled")
      ->type_name("NAME")
      ->check(CLI::IsMember({"float32", "fast"}));
  command
      ->add_option("--tile-size", flags->tile_size,
                   "Images computed together, 1 to 1024; default 128, on "
                   "a server with a GPU 1000")
      ->type_name("N")
      ->check(WholeNumber(1, 1024));
  command
      ->add_option("--compare", flags->compare,
                   "Show this model beside one --model; default balanced, "
                   "unless --attack, --norm, --epsilon, --goal, "
                   "--source-model or --save is given")
      ->type_name("NAME");
  command->add_flag("--no-compare", flags->no_compare,
                    "Measure the named model alone");
  command
      ->add_option("--save", flags->save,
                   "Save the adversarial images and their originals below "
                   "this folder, which is new or empty")
      ->type_name("DIR");
  command->add_flag("--cancel-on-disconnect", flags->cancel_on_disconnect,
                    "Cancel the evaluation if this command ends before it and "
                    "nobody else waits for it");
}

}  // namespace

void AddEvaluate(CLI::App& app, Action* action) {
  CLI::App* command = app.add_subcommand(
      "evaluate", "Measure how robust models are on a data set of the server");
  // The action runs after this function has returned, so it shares the flags.
  auto flags = std::make_shared<EvaluateFlags>();
  AddWhat(command, flags.get());
  AddHow(command, flags.get());
  command->footer(kExamples);
  command->callback([action, flags] {
    *action = [flags](Context& context) { return Run(context, *flags); };
  });
}

}  // namespace adv
