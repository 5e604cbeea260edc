#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/attacks/norm.h"
#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/files/distinct_files.h"
#include "client/files/output_file.h"
#include "client/flag_errors.h"
#include "client/images/image_file.h"
#include "client/images/model_images.h"
#include "client/printers/images.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// How many times as large the pictures side by side are drawn. Small images are
// enlarged so that their pixels can be seen. Images whose longer side is over
// 128 pixels stay as they are.
int CompareScale(const Image& image) {
  constexpr int kMost = 8, kHandySide = 256;
  return std::clamp(kHandySide / std::max(image.width, image.height), 1, kMost);
}

// Sizes stay text until the norm is known, because their range depends on it.
struct AttackFlags {
  std::string image;
  std::string model = "balanced";
  std::string source_model;
  std::string attack = "igsm";
  std::string norm;
  std::string epsilon;  // empty: 8/255, or .5 in L2
  std::string label;
  std::string target;
  std::optional<std::uint32_t> steps;
  std::string step_size;
  std::string success;
  std::uint64_t seed = 0;
  std::string out;
  std::string compare;
};

// Where the picture goes: by default beside --out, as "adv-compare.png" beside
// "adv.png".
std::string ComparePath(const AttackFlags& flags) {
  if (!flags.compare.empty()) return flags.compare;
  const std::filesystem::path out(flags.out);
  return (out.parent_path() / (out.stem().string() + "-compare.png")).string();
}

// The default depends on the norm, because an L2 size is of the whole image.
absl::StatusOr<v1::Epsilon> ChosenEpsilon(
    const AttackFlags& flags, v1::Norm norm,
    const std::vector<v1::Attack>& attacks) {
  const auto common = CommonNorm(norm, attacks);
  if (!common.ok()) return common.status();
  const char* by_default = *common == v1::NORM_L2 ? "0.5" : "8/255";
  auto epsilon =
      ParseEpsilon(flags.epsilon.empty() ? by_default : flags.epsilon, *common);
  if (epsilon.ok()) return epsilon;
  return FlagError("--epsilon", epsilon.status());
}

// The attack with --steps and --step-size applied. Errors of both flags are
// told together.
absl::StatusOr<v1::Attack> ChosenAttack(const AttackFlags& flags,
                                        v1::Norm norm) {
  auto attack = ParseAttack(flags.attack, norm);
  absl::Status errors = FlagError("--attack", attack.status());
  StepFlags step_flags;
  step_flags.steps = flags.steps;
  if (!flags.step_size.empty()) {
    const auto size = ParseStepSize(flags.step_size, norm);
    errors = BothErrors(errors, FlagError("--step-size", size.status()));
    if (size.ok()) step_flags.step_size = *size;
  }
  if (!errors.ok()) return errors;
  std::vector<v1::Attack> attacks = {*std::move(attack)};
  auto status = ApplySteps(step_flags, &attacks);
  if (!status.ok()) return status;
  return attacks.front();
}

// The parts of the request that need neither a server nor a file.
absl::StatusOr<v1::GenerateAdversarialRequest> BaseRequest(
    const AttackFlags& flags) {
  v1::GenerateAdversarialRequest request;
  request.set_model(flags.model);
  if (!flags.source_model.empty()) {
    request.set_source_model(flags.source_model);
  }
  const auto norm = ParseNorm(flags.norm);
  if (!norm.ok()) return FlagError("--norm", norm.status());
  request.set_norm(*norm);
  const auto attack = ChosenAttack(flags, *norm);
  // If the attack is wrong, its norm is unknown. L2 then lets the epsilon be
  // checked all the same, and both errors show at once.
  const auto epsilon =
      ChosenEpsilon(flags, attack.ok() ? *norm : v1::NORM_L2,
                    attack.ok() ? std::vector<v1::Attack>{*attack}
                                : std::vector<v1::Attack>{});
  auto errors = BothErrors(attack.status(), epsilon.status());
  if (!errors.ok()) return errors;
  *request.mutable_attack() = *attack;
  *request.mutable_epsilon() = *epsilon;
  const auto success = ParseSuccess(flags.success);
  if (!success.ok()) return FlagError("--success", success.status());
  request.set_success(*success);
  // In 8-bit mode the saved PNG is exactly the attacked image.
  request.set_eight_bit(true);
  request.set_seed(flags.seed);
  return request;
}

// Adds label and target. They may be class names, which only the model knows.
ExitCode AddClasses(Context& context, const v1::ModelManifest& model,
                    const AttackFlags& flags,
                    v1::GenerateAdversarialRequest* request) {
  const GoalText goal =
      flags.target.empty() ? GoalText{} : ParseTarget(flags.target);
  const ClassNames& names = model.class_names();
  if (!flags.label.empty()) {
    const auto label = FindClass(flags.label, names);
    if (!label.ok()) return context.Usage("--label", label.status());
    request->add_labels(*label);
  }
  const auto resolved = ResolveGoal(goal, names);
  if (!resolved.ok()) return context.Usage("--target", resolved.status());
  *request->mutable_goal() = *resolved;
  return kOk;
}

// One row for the one image.
void PrintCsv(const v1::GenerateAdversarialResponse& response,
              const v1::GenerateAdversarialRequest& request,
              const AttackFlags& flags, Context& context) {
  const v1::AdversarialResult& result = response.results(0);
  const v1::AttackRecord& record = result.record();
  // -1 stands for a server that listed no classes.
  const int clean =
      result.clean().top_size() > 0 ? result.clean().top(0).label() : -1;
  // New columns come last, so that scripts which count columns go on working.
  Table table({{"image"},
               {"model"},
               {"attack"},
               {"epsilon_pixels"},
               {"label"},
               {"clean_prediction"},
               {"target"},
               {"prediction"},
               {"confidence"},
               {"success"},
               {"iterations"},
               {"l0"},
               {"l2"},
               {"linf"},
               {"out"},
               {"compare"},
               {"queries"},
               {"warnings"}});
  table.AddRow(
      {flags.image, ModelText(response.model()), AttackName(response.attack()),
       ExactText(Pixels(request.epsilon())), absl::StrCat(result.label()),
       absl::StrCat(clean), absl::StrCat(record.target()),
       absl::StrCat(record.prediction()), ExactText(record.confidence()),
       record.success() ? "true" : "false", absl::StrCat(record.iterations()),
       absl::StrCat(record.l0()), ExactText(record.l2()),
       ExactText(record.linf()), flags.out, ComparePath(flags),
       absl::StrCat(record.queries()),
       absl::StrJoin(response.warnings(), "; ")});
  context.out() << table.ToCsv();
}

// `scale` and `amplification` are those of the picture side by side.
void Print(const v1::GenerateAdversarialResponse& response,
           const v1::GenerateAdversarialRequest& request, int scale,
           int amplification, const AttackFlags& flags, Context& context) {
  if (context.options().output == OutputFormat::kCsv) {
    PrintCsv(response, request, flags, context);
    return;
  }
  if (context.options().output == OutputFormat::kJson) {
    auto json = ToJson(response);
    json.erase("images");  // they are in the file
    json["out"] = flags.out;
    json["compare"] = ComparePath(flags);
    json["amplification"] = amplification;
    context.out() << JsonText(json);
    return;
  }
  context.out() << AttackText(response, request.epsilon(), request.goal(),
                              context.style())
                << "\nSaved " << Visible(flags.out)
                << " (the attacked image) and " << Visible(ComparePath(flags))
                << "\n(original, ";
  // Without a change there is nothing to amplify.
  if (response.results(0).record().l0() == 0) {
    context.out() << "no perturbation";
  } else {
    context.out() << "perturbation amplified " << amplification
                  << " times around grey";
  }
  context.out() << ", attacked image";
  if (scale > 1) context.out() << "; each " << scale << " times as large";
  context.out() << ").\n";
}

// The order saves work: the command line is checked before the files, the files
// before the server is asked, and nothing is written before the answer is
// checked.
ExitCode Run(Context& context, const AttackFlags& flags) {
  auto request = BaseRequest(flags);
  if (!request.ok()) return context.Fail(request.status(), kUsage);
  // All files are checked before the server computes anything.
  const auto distinct =
      CheckDistinct({{"--out", flags.out}, {"--compare", ComparePath(flags)}},
                    {{"IMAGE", flags.image}});
  if (!distinct.ok()) return context.Fail(distinct, kUsage);
  for (const std::string& path : {flags.out, ComparePath(flags)}) {
    const auto status = CheckWritable(path);
    if (!status.ok()) return context.Fail(status);
  }
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::ModelManifest model;
  ExitCode code = GetManifest(context, *server, flags.model, &model);
  if (code != kOk) return code;
  // The model decides size and channels, so the file is read only after the
  // model is known.
  const auto shape = ShapeOf(model);
  if (!shape.ok()) return context.Fail(shape.status());
  const auto file = ReadImage(flags.image, shape->channels);
  if (!file.ok()) return context.Fail(file.status());
  const Image original = Resize(*file, *shape);
  // Label and target may be names, so they need the model's list of classes.
  code = AddClasses(context, model, flags, &*request);
  if (code != kOk) return code;
  *request->mutable_images() = ToBatch({original});
  const auto call = server->NewCall(kComputeSeconds);
  v1::GenerateAdversarialResponse response;
  const grpc::Status status =
      server->evaluation().GenerateAdversarial(call.get(), *request, &response);
  if (!status.ok()) return context.Fail(status);
  const auto adversarial = FromBatch(response.images());
  if (!adversarial.ok()) return context.Fail(adversarial.status());
  // The answer is the server's; MakeComparison needs equal shapes.
  if (response.results_size() != 1 || adversarial->width != shape->width ||
      adversarial->height != shape->height ||
      adversarial->channels != shape->channels) {
    return context.Fail(absl::InternalError(
        "the server answered with another number or size of images"));
  }
  const int scale = CompareScale(original);
  const Comparison comparison = MakeComparison(original, *adversarial, scale);
  auto saved = WritePng(flags.out, *adversarial);
  if (saved.ok()) saved = WritePng(ComparePath(flags), comparison.picture);
  if (!saved.ok()) return context.Fail(saved);
  Print(response, *request, scale, comparison.amplification, flags, context);
  return kOk;
}

// The options that name files and models.
void AddWhat(CLI::App* command, AttackFlags* flags) {
  command
      ->add_option("IMAGE", flags->image,
                   "PNG or JPEG file, at most 64 MB; resized to what the model "
                   "takes")
      ->type_name("FILE")
      ->required();
  command->add_option("--out", flags->out, "Where the attacked image goes, PNG")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--compare", flags->compare,
                   "Where the side-by-side picture goes; default "
                   "OUT-compare.png")
      ->type_name("FILE");
  command
      ->add_option("--model", flags->model,
                   "NAME or NAME@VERSION; default balanced")
      ->type_name("NAME");
  command
      ->add_option("--source-model", flags->source_model,
                   "Take the gradients from this model (transfer)")
      ->type_name("NAME");
}

// The options that say how the image is attacked.
void AddHow(CLI::App* command, AttackFlags* flags) {
  command
      ->add_option("--attack", flags->attack,
                   "NAME or NAME:PARAMETER=VALUE:... (attacks list, attacks "
                   "show); default igsm")
      ->type_name("ATTACK");
  command
      ->add_option("--norm", flags->norm,
                   "How epsilon is measured: linf or l2; default the attack's "
                   "first")
      ->type_name("NORM");
  command
      ->add_option("--epsilon", flags->epsilon,
                   "Largest change of a value: 8/255 (default) or 0.031; in "
                   "l2 of the whole image, default 0.5")
      ->type_name("SIZE");
  command
      ->add_option("--label", flags->label,
                   "True class, name or index; default what the model says")
      ->type_name("CLASS");
  command
      ->add_option("--target", flags->target,
                   "Lead toward a class (name or index), or least-likely, "
                   "next or random; default away from the label")
      ->type_name("CLASS");
  command->add_option("--steps", flags->steps, "Steps of an iterative attack")
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
  command->add_option("--seed", flags->seed, "Seed of random draws; default 0")
      ->type_name("N")
      ->check(WholeNumber(0, UINT64_MAX));
}

}  // namespace

void AddAttack(CLI::App& app, Action* action) {
  CLI::App* command = app.add_subcommand(
      "attack", "Perturb an image so that a model is fooled, and save it");
  // The action runs after this function has returned, so it shares the flags.
  auto flags = std::make_shared<AttackFlags>();
  AddWhat(command, flags.get());
  AddHow(command, flags.get());
  command->footer(
      "Examples:\n"
      "  advctl attack cat.png --out=adv.png\n"
      "  advctl attack cat.png --model=no-cat --attack=fgsm --epsilon=2/255 "
      "--out=adv.png\n"
      "  advctl attack cat.png --attack=pgd:restarts=5 --norm=l2 "
      "--out=adv.png\n"
      "  advctl attack cat.png --label=cat --target=dog --steps=20 "
      "--out=dog.png\n"
      "\n"
      "The saved PNG is exactly the image that was attacked and judged. "
      "Beside\n"
      "it a picture shows original, amplified perturbation and result.");
  command->callback([action, flags] {
    *action = [flags](Context& context) { return Run(context, *flags); };
  });
}

}  // namespace adv
