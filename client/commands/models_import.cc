// advctl models import. advtrain does the work, because it has LibTorch and
// advctl has not.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/session/find_program.h"

namespace adv {
namespace {

// Numbers and shapes stay text, because advtrain reads and checks them.
struct ImportFlags {
  std::string file, store, name, shape, classes, preprocess;
  std::string endpoint, endpoint_model, endpoint_version, max_batch;
  bool decisions = false;
  bool probabilities = false;
  bool without_gradients = false;
  bool accept_unstable = false;

  // The command line of advtrain. Empty options are left out, so that
  // advtrain's own defaults and checks decide.
  std::vector<std::string> Words(const std::string& program) const {
    std::vector<std::string> words = {
        program, "import", absl::StrCat("--store=", store),
        absl::StrCat("--shape=", shape), absl::StrCat("--classes=", classes)};
    for (const auto& [value, flag] :
         {std::pair(name, "--name="), std::pair(preprocess, "--preprocess="),
          std::pair(endpoint, "--endpoint="),
          std::pair(endpoint_model, "--endpoint-model="),
          std::pair(endpoint_version, "--endpoint-version="),
          std::pair(max_batch, "--max-batch=")}) {
      if (!value.empty()) words.push_back(absl::StrCat(flag, value));
    }
    for (const auto& [given, flag] :
         {std::pair(probabilities, "--probabilities"),
          std::pair(without_gradients, "--without-gradients"),
          std::pair(accept_unstable, "--accept-unstable"),
          std::pair(decisions, "--decisions")}) {
      if (given) words.emplace_back(flag);
    }
    // "--" keeps a file whose name begins with a dash from being read as a
    // flag.
    if (!file.empty()) words.insert(words.end(), {"--", file});
    return words;
  }
};

// Waits for advtrain and returns its exit status; kFailed if a signal ended it
// or the status is not known.
ExitCode WaitFor(pid_t child, Context& context) {
  int status = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  // No status is left where whoever started advctl had SIGCHLD ignored.
  if (ended < 0) {
    context.err() << "advctl: cannot tell how advtrain ended: "
                  << std::strerror(errno) << "\n";
    return kFailed;
  }
  // advtrain has told what is wrong on its own, so its exit status is passed
  // on.
  if (WIFEXITED(status)) return static_cast<ExitCode>(WEXITSTATUS(status));
  context.err() << "advctl: advtrain was ended by signal " << WTERMSIG(status)
                << "\n";
  return kFailed;
}

// Runs advtrain and returns its exit status; kFailed if it does not run.
ExitCode Import(Context& context, const ImportFlags& flags) {
  const auto program =
      FindProgram("advtrain", "ADVCTL_ADVTRAIN", "model_store/trainer");
  if (!program.ok()) {
    context.err() << "advctl: " << program.status().message() << "\n";
    return kFailed;
  }
  // `arguments` points into `words`, which must stay as it is until the program
  // has started.
  std::vector<std::string> words = flags.Words(*program);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // The child writes to the same streams, so this process's text must go first.
  context.out().flush();
  pid_t child = 0;
  const int error =
      posix_spawn(&child, program->c_str(), nullptr, nullptr, arguments.data(),
                  EnvironmentOfPrograms().data());
  if (error != 0) {
    context.err() << "advctl: " << *program << ": " << std::strerror(error)
                  << "\n";
    return kFailed;
  }
  return WaitFor(child, context);
}

// The options of a model that stays where it is and is asked through an
// endpoint.
void AddEndpointOptions(CLI::App* command, ImportFlags* flags) {
  command
      ->add_option("--endpoint", flags->endpoint,
                   "In place of FILE: the endpoint where the model is, by its "
                   "name in the server's --endpoint")
      ->type_name("NAME");
  command
      ->add_option("--endpoint-model", flags->endpoint_model,
                   "Name of the model at the endpoint")
      ->type_name("NAME");
  command
      ->add_option("--endpoint-version", flags->endpoint_version,
                   "Its version there; default: the endpoint's choice")
      ->type_name("VERSION");
  command
      ->add_option("--max-batch", flags->max_batch,
                   "Images of one call to the endpoint; default 64")
      ->type_name("N");
  command->add_flag("--decisions", flags->decisions,
                    "The endpoint tells the class and no scores");
}

}  // namespace

void AddModelsImport(CLI::App* models, Action* action) {
  CLI::App* command = models->add_subcommand(
      "import",
      "Put a model of your own into a model store: a TorchScript module or an "
      "ONNX model, measured and with outputs for a self-test, or one behind "
      "an endpoint");
  auto flags = std::make_shared<ImportFlags>();
  command->add_option("FILE", flags->file,
                      "What torch.jit.save wrote: it is code, and is run here; "
                      "import none that you do not trust. Or FILE.onnx");
  AddEndpointOptions(command, flags.get());
  command->add_option("--store", flags->store, "Folder of the model store")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--shape", flags->shape,
                   "Of an image: CHANNELSxHEIGHTxWIDTH")
      ->type_name("SHAPE")
      ->required();
  command
      ->add_option("--classes", flags->classes,
                   "File with the name of each class in a line of its own")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--name", flags->name, "Of the model; default: of the file")
      ->type_name("NAME");
  command
      ->add_option("--preprocess", flags->preprocess,
                   "What the module wants of pixels in [0, 1]: mean=M,M,M,"
                   "std=S,S,S of each channel, range=255 for bytes, order=bgr")
      ->type_name("PARTS");
  command->add_flag("--probabilities", flags->probabilities,
                    "The module gives probabilities, not logits");
  command->add_flag("--without-gradients", flags->without_gradients,
                    "Only its scores may be asked for");
  command->add_flag("--accept-unstable", flags->accept_unstable,
                    "Take a module whose results differ between equal calls, "
                    "or with the images beside one");
  command->footer(
      "Example:\n"
      "  advctl models import resnet.pt --store=models --shape=3x224x224 \\\n"
      "    --classes=imagenet.txt \\\n"
      "    --preprocess=mean=.485,.456,.406,std=.229,.224,.225\n"
      "  advserver --store=models --allow-code-models\n"
      "  advctl models import --endpoint=lab --endpoint-model=resnet \\\n"
      "    --store=models --shape=3x224x224 --classes=imagenet.txt\n"
      "  advserver --store=models --endpoint=lab=grpc://HOST:PORT\n\n"
      "advtrain does the work: beside advctl, on PATH, or named in "
      "ADVCTL_ADVTRAIN.");
  command->callback([action, flags] {
    *action = [flags](Context& context) { return Import(context, *flags); };
  });
}

}  // namespace adv
