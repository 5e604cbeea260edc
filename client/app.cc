#include "client/app.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "client/commands/commands.h"
#include "client/contexts/access.h"
#include "client/printers/ascii.h"
#include "client/printers/style.h"
#include "client/printers/visible.h"
#include "client/session/context.h"
#include "command_line/empty_value.h"
#include "command_line/flags.h"

namespace adv {
namespace {

// The help's width, and the column where descriptions begin.
constexpr std::size_t kHelpWidth = 80;
constexpr std::size_t kHelpColumn = 26;

constexpr char kAbout[] =
    "advctl asks an advserver to classify images, to attack them, and to "
    "measure how\nrobust models are against attacks.";

constexpr char kFooter[] =
    "Examples:\n"
    "  advctl evaluate --model=no-cat       measure a model's robustness\n"
    "  advctl --local models list           without a running server\n"
    "  advctl attack cat.png --out=adv.png  fool a model with one image\n"
    "  advctl context add lab --server=gpu-1:50051 --ca=ca.pem\n"
    "\n"
    "Each command explains itself: advctl COMMAND --help. Global options may\n"
    "stand before or after the command.\n"
    "\n"
    "Exit status: 0 it worked; 1 it failed; 2 the command line is wrong; 3 no\n"
    "server answers; 4 the server refuses.\n"
    "\n"
    "Environment: each global option, as ADVCTL_SERVER for --server;\n"
    "ADVCTL_CONFIG (the file of contexts), ADVCTL_ADVSERVER (the program that\n"
    "--local starts), NO_COLOR, LC_ALL, LC_CTYPE and LANG (the first that is\n"
    "set decides: plain ASCII unless it says UTF-8).";

constexpr char kGlobalGroup[] = "Global options";

// CLI11's help with descriptions wrapped to the terminal's 80 columns.
class Help : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option,
                          bool is_positional) const override {
    const std::string name =
        absl::StrCat("  ", make_option_name(option, is_positional),
                     make_option_opts(option));
    const std::string about = WrapWords(make_option_desc(option), kHelpWidth,
                                        kHelpColumn, kHelpColumn);
    // A name that is too long stands on a line of its own, above its
    // description.
    const bool fits = DisplayWidth(name) + 2 <= kHelpColumn;
    return absl::StrCat(
        fits ? PadRight(name, kHelpColumn)
             : absl::StrCat(name, "\n", std::string(kHelpColumn, ' ')),
        about, "\n");
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    // A flag without a value has no type.
    if (option->get_type_size() == 0) return "";
    // CLI11 adds its checks to the type after a colon (":{table,json}"). The
    // descriptions tell them in words.
    const std::string type = option->get_type_name();
    return absl::StrCat(" ", type.substr(0, type.find(':')),
                        option->get_required() ? " (required)" : "");
  }
};

// A deadline is a point in time, which overflows for inf and for ages.
std::string CheckTimeout(const std::string& text) {
  constexpr double kYear = 365 * 24 * 3600;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds) && seconds > 0 && seconds <= kYear) {
    return "";
  }
  return absl::StrCat("'", text,
                      "' is not a time limit; allowed are seconds above 0 and "
                      "up to 31536000, a year");
}

// Those that say how the server is reached.
class AccessOptions {
 public:
  explicit AccessOptions(CLI::App* app) : app_(app) {
    Add("server", "ADDRESS",
        "Address of the server, HOST:PORT; default localhost:50051. Several "
        "with commas between");
    context_ = Option("--context", &name_, "NAME",
                      "The server of that name, see advctl context; default: "
                      "the current one. --server alone uses none");
    tls_ = app_->add_flag("--tls", values_.tls,
                          "Call it over TLS; any of the next three does, too")
               ->group(kGlobalGroup);
    Add("ca", "FILE",
        "PEM file of those who may sign the server's certificate; default: "
        "the system's");
    Add("certificate", "FILE", "PEM file: the certificate to show, with --key");
    Add("key", "FILE", "PEM file: its key");
    Add("token_file", "FILE",
        "File with the token that tells the server who you are");
    Add("server_name", "NAME",
        "The name that the server's certificate must have; default: the "
        "address's");
  }

  // What was given, after the parsing.
  AccessFlags Flags(const FlagSources& sources) const {
    AccessFlags flags;
    for (const auto& [field, option] : fields_) {
      const FlagSource source = SourceOf(sources, option);
      if (source != FlagSource::kDefault) {
        flags.given[source].*field->value = values_.*field->value;
      }
    }
    if (values_.tls) flags.given[SourceOf(sources, tls_)].tls = true;
    flags.context = name_;
    flags.context_source = SourceOf(sources, context_);
    return flags;
  }

 private:
  CLI::Option* Option(const std::string& flag, std::string* value,
                      const char* type, const char* help) {
    return app_->add_option(flag, *value, help)
        ->type_name(type)
        ->group(kGlobalGroup);
  }

  void Add(const char* name, const char* type, const char* help) {
    for (const AccessField& field : kAccessFields) {
      if (field.name != absl::string_view(name)) continue;
      const std::string flag = absl::StrReplaceAll(name, {{"_", "-"}});
      fields_[&field] =
          Option(absl::StrCat("--", flag), &(values_.*field.value), type, help);
    }
  }

  CLI::App* const app_;
  ServerAccess values_;
  std::string name_;
  std::map<const AccessField*, CLI::Option*> fields_;
  CLI::Option* context_ = nullptr;
  CLI::Option* tls_ = nullptr;
};

// Those of the server that --local starts. Repeatable options take no extra
// arguments, or they would swallow the command that follows.
std::vector<CLI::Option*> AddLocalOptions(CLI::App& app,
                                          GlobalOptions* options) {
  app.add_flag("--local", options->local,
               "Start a private server for this call alone")
      ->group(kGlobalGroup);
  const auto add = [&app](const char* flag, std::vector<std::string>* values,
                          const char* type, const char* help) {
    return app.add_option(flag, *values, help)
        ->type_name(type)
        ->allow_extra_args(false)
        ->group(kGlobalGroup);
  };
  return {add("--store", &options->stores, "DIR",
              "With --local: a model store for the private server "
              "(repeatable)"),
          add("--dataset", &options->datasets, "NAME=DIR",
              "With --local: a data set for the private server (repeatable)"),
          add("--endpoint", &options->endpoints, "NAME=URL",
              "With --local: an endpoint of remote models for the private "
              "server (repeatable)"),
          app.add_flag("--allow-code-models", options->allow_code_models,
                       "With --local: the private server runs models that are "
                       "code")
              ->group(kGlobalGroup)};
}

// `output` is text, because CLI11 checks it before it is a format.
void AddCallOptions(CLI::App& app, GlobalOptions* options,
                    std::string* output) {
  app.add_option("--timeout", options->timeout_seconds,
                 "Give up a call after so many seconds; default 10, 60 if it "
                 "computes, a day for an evaluation")
      ->type_name("SECONDS")
      ->check(CLI::Validator(CheckTimeout, "SECONDS"))
      ->group(kGlobalGroup);
  app.add_option("--balance", options->balance,
                 "Spread calls over all healthy addresses: round_robin. For "
                 "servers addressed directly, not through a proxy")
      ->type_name("POLICY")
      ->check(CLI::IsMember({"round_robin"}))
      ->group(kGlobalGroup);
  app.add_option("--output", *output, "table (default), json or csv")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->group(kGlobalGroup);
  app.add_flag("--no-color", options->no_color, "Never use colours")
      ->group(kGlobalGroup);
  app.add_flag("-v,--verbose", options->verbose,
               "Tell on standard error what happens")
      ->group(kGlobalGroup);
}

// What on the command line would have no effect, so that nobody would see it;
// empty if nothing. The environment may hold more than a call needs.
std::string Contradiction(const GlobalOptions& options,
                          const std::vector<CLI::Option*>& local_options,
                          const FlagSources& sources) {
  if (!options.local) {
    for (const CLI::Option* option : local_options) {
      if (SourceOf(sources, option) != FlagSource::kCommandLine) continue;
      return "--store, --dataset NAME=DIR, --endpoint and --allow-code-models "
             "are for the server that --local starts; add --local";
    }
    return "";
  }
  const auto given = options.access.given.find(FlagSource::kCommandLine);
  const bool tls =
      given != options.access.given.end() &&
      (given->second.UsesTls() || !given->second.token_file.empty() ||
       !given->second.server_name.empty());
  return tls || options.access.context_source == FlagSource::kCommandLine
             ? "--local starts a private server, without TLS; leave out "
               "--context and the options of TLS"
             : "";
}

OutputFormat FormatOf(const std::string& output) {
  if (output == "json") return OutputFormat::kJson;
  if (output == "csv") return OutputFormat::kCsv;
  return OutputFormat::kTable;
}

// The help lists the commands in this order.
void AddCommands(CLI::App& app, Action* action) {
  AddEvaluate(app, action);
  AddEvaluations(app, action);
  AddTransfer(app, action);
  AddClassify(app, action);
  AddAttack(app, action);
  AddModels(app, action);
  AddAttacks(app, action);
  AddServer(app, action);
  AddContext(app, action);
  AddVersion(app, action);
  AddCompletion(app, action);
}

// "advctl models", as far as the command line got.
std::string Reached(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* chosen = &app; !chosen->get_subcommands().empty();) {
    chosen = chosen->get_subcommands().front();
    absl::StrAppend(&path, " ", chosen->get_name());
  }
  return path;
}

ExitCode ParseFailure(const CLI::App& app, const CLI::ParseError& error,
                      std::ostream& out, std::ostream& err) {
  if (error.get_exit_code() == 0) {  // --help, --version
    app.exit(error, out, err);
    return kOk;
  }
  const std::vector<std::string> strangers = app.remaining(true);
  // For "advctl modles" CLI11 says that a command is missing. The word that it
  // did not understand tells more.
  const bool no_such =
      dynamic_cast<const CLI::RequiredError*>(&error) && !strangers.empty();
  err << "advctl: "
      << Visible(no_such ? absl::StrCat("there is no command '", Reached(app),
                                        " ", strangers.front(), "'")
                         : std::string(error.what()))
      << "\nSee: " << Reached(app) << " --help" << std::endl;
  return kUsage;
}

}  // namespace

ExitCode RunAdvctl(int argc, const char* const* argv, std::ostream& out,
                   std::ostream& err) {
  CLI::App app(kAbout, "advctl");
  const auto help = std::make_shared<Help>();
  // This column is for the list of commands, whose names are short.
  help->column_width(14);
  app.formatter(help);
  app.footer(kFooter);
  app.set_version_flag("--version", "advctl " ADV_VERSION);
  app.require_subcommand(1);
  // Global options may stand after the command, too.
  app.fallthrough();
  GlobalOptions options;
  std::string output;
  AccessOptions access(&app);
  const auto local_options = AddLocalOptions(app, &options);
  AddCallOptions(app, &options, &output);
  Action action;
  AddCommands(app, &action);
  // An empty value ("--model=$MODEL" with nothing in MODEL) is most likely a
  // mistake, so it is refused before anything is read.
  if (auto status = CheckNoEmptyValue(argc, argv); !status.ok()) {
    err << "advctl: " << Visible(status.message()) << std::endl;
    return kUsage;
  }
  FlagSources sources;
  try {
    sources = ParseFlags(&app, "ADVCTL_", kGlobalGroup, argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no status to return
    return ParseFailure(app, error, out, err);
  }
  options.output = FormatOf(output);
  options.access = access.Flags(sources);
  ExitCode code = kOk;
  // People with another locale get ASCII; what programs read is always UTF-8.
  const bool plain = options.output == OutputFormat::kTable && !LocaleIsUtf8();
  AsciiBuffer ascii_out(out.rdbuf()), ascii_err(err.rdbuf());
  std::ostream shown(plain ? &ascii_out : out.rdbuf());
  std::ostream told(plain ? &ascii_err : err.rdbuf());
  // A private server dies at the end of this block, with the context.
  {
    Context context(options, shown, told);
    const std::string fault = Contradiction(options, local_options, sources);
    if (!fault.empty()) return context.Usage(fault);
    code = action(context);
  }
  // A full disk shows only when the buffers are written out. An error that was
  // told before keeps its own code.
  if ((!shown.flush() || !out.flush()) && code == kOk) {
    err << "advctl: the output could not be written" << std::endl;
    return kFailed;
  }
  return code;
}

}  // namespace adv
