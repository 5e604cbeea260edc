#include "command_line/flags.h"

#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "command_line/flagfile.h"

namespace adv {
namespace {

// Values of an option that the command line does not give.
struct Setting {
  CLI::Option* option;
  std::vector<std::string> values;
  std::string place;  // the variable, or FILE:LINE
};

// In CLI11 only an exception carries a message of ours.
[[noreturn]] void Refuse(const std::string& message) {
  throw CLI::ValidationError(message);
}

bool TakesValue(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

bool IsRepeatable(const CLI::Option& option) {
  // CLI11 expects one value at a time of a list.
  return TakesValue(option) &&
         (option.get_items_expected_max() > 1 ||
          option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll);
}

// An option's value as CLI11 keeps it. `name` is that of several which is used:
// --no-flips=true is --flips=false.
std::string ValueOf(const CLI::Option& option, const std::string& name,
                    const std::string& text, const std::string& place) {
  if (TakesValue(option)) return text;
  bool on = false;
  if (!absl::SimpleAtob(text, &on)) {
    Refuse(absl::StrCat(place, ": '", text,
                        "' is neither true nor false, which are allowed"));
  }
  return option.get_flag_value(name, on ? "true" : "false");
}

// Collects what the environment and the flagfiles say, strongest source first.
class Collector {
 public:
  Collector(CLI::App* app, std::string prefix, CLI::Option* flagfile)
      : app_(app), prefix_(std::move(prefix)), flagfile_(flagfile) {
    for (CLI::App* chosen = app_;;) {
      commands_.push_back(chosen);
      for (const CLI::Option* option : chosen->get_options()) {
        if (option->count() > 0) Note(option, FlagSource::kCommandLine);
      }
      if (chosen->get_subcommands().empty()) break;
      chosen = chosen->get_subcommands().front();
    }
  }

  void ReadEnvironment() {
    for (CLI::Option* option : app_->get_options()) {
      if (IsHelp(option) || IsHidden(option, FlagSource::kEnvironment)) {
        continue;
      }
      for (const std::string& name : option->get_lnames()) {
        const std::string variable = VariableOf(name);
        const char* const text = std::getenv(variable.c_str());
        if (text == nullptr || *text == '\0') continue;
        Setting setting{option, {}, variable};
        if (!IsRepeatable(*option)) {
          setting.values.push_back(ValueOf(*option, name, text, variable));
        } else {
          for (const auto line :
               absl::StrSplit(text, '\n', absl::SkipEmpty())) {
            setting.values.emplace_back(absl::StripAsciiWhitespace(line));
          }
        }
        Add(std::move(setting), FlagSource::kEnvironment);
        break;
      }
    }
  }

  // The command line or the environment names the files.
  void ReadFlagfiles() {
    std::vector<std::string> paths = flagfile_->results();
    for (const Setting& setting : settings_) {
      if (setting.option == flagfile_) paths = setting.values;
    }
    for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
      ReadFlagfile(*path);
    }
  }

  const std::vector<Setting>& settings() const { return settings_; }
  const FlagSources& sources() const { return sources_; }

 private:
  bool IsHelp(const CLI::Option* option) const {
    return option == app_->get_help_ptr() || option == app_->get_version_ptr();
  }

  std::string VariableOf(const std::string& name) const {
    return absl::StrCat(prefix_, absl::AsciiStrToUpper(
                                     absl::StrReplaceAll(name, {{"-", "_"}})));
  }

  // Whether the option, or one that excludes it, has a stronger source.
  bool IsHidden(const CLI::Option* option, FlagSource source) const {
    if (sources_.count(option) > 0) return true;
    for (const CLI::Option* other : option->get_excludes()) {
      if (SourceOf(sources_, other) > source) return true;
    }
    return false;
  }

  void Note(const CLI::Option* option, FlagSource source) {
    sources_[option] = source;
  }

  void Add(Setting setting, FlagSource source) {
    Note(setting.option, source);
    settings_.push_back(std::move(setting));
  }

  // The innermost command's option of that name.
  CLI::Option* Find(const FlagLine& line) const {
    for (auto app = commands_.rbegin(); app != commands_.rend(); ++app) {
      CLI::Option* option = (*app)->get_option_no_throw("--" + line.name);
      if (option != nullptr && !option->get_positional() &&
          option != (*app)->get_help_ptr() && !IsHelp(option)) {
        return option;
      }
    }
    Refuse(absl::StrCat(line.place, ": there is no flag --", line.name,
                        "; a line is --NAME=VALUE"));
  }

  void ReadFlagfile(const std::string& path) {
    const auto lines = adv::ReadFlagfile(path);
    if (!lines.ok()) Refuse(std::string(lines.status().message()));
    std::vector<Setting> found;
    for (const FlagLine& line : *lines) {
      CLI::Option* const option = Find(line);
      if (!line.value && TakesValue(*option)) {
        Refuse(absl::StrCat(line.place, ": --", line.name, " needs a value: --",
                            line.name, "=VALUE"));
      }
      const std::string value =
          ValueOf(*option, line.name, line.value.value_or("true"), line.place);
      Setting* same = nullptr;
      for (Setting& setting : found) {
        if (setting.option == option) same = &setting;
      }
      if (same == nullptr) {
        found.push_back({option, {value}, line.place});
      } else if (IsRepeatable(*option)) {
        same->values.push_back(value);
      } else {
        Refuse(absl::StrCat(line.place, ": --", line.name, " stands at ",
                            same->place, ", too"));
      }
    }
    for (Setting& setting : found) {
      if (IsHidden(setting.option, FlagSource::kFlagfile)) continue;
      Add(std::move(setting), FlagSource::kFlagfile);
    }
  }

  CLI::App* const app_;
  const std::string prefix_;
  CLI::Option* const flagfile_;
  std::vector<CLI::App*> commands_;  // the program, then what was chosen
  std::vector<Setting> settings_;
  FlagSources sources_;
};

void Give(const Setting& setting) {
  for (const std::string& value : setting.values) {
    setting.option->add_result(value);
  }
}

// Throws what is wrong with the values, with their place for the flag's name.
void Check(const Setting& setting) {
  Give(setting);
  try {
    setting.option->run_callback();
  } catch (const CLI::ParseError& error) {
    Refuse(absl::StrReplaceAll(error.what(),
                               {{setting.option->get_name(), setting.place}}));
  }
}

CLI::Option* AddFlagfile(CLI::App* app, const std::string& prefix,
                         const std::string& group) {
  return app
      ->add_option(
          "--flagfile", CLI::callback_t(),
          absl::StrCat(
              "Read flags from FILE, one --NAME=VALUE a line (# begins "
              "a comment); may be repeated. The environment has each "
              "flag, too: this one as ",
              prefix, "FLAGFILE. The command line wins, then the environment"))
      ->type_name("FILE")
      ->expected(-1)
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
}

}  // namespace

FlagSource SourceOf(const FlagSources& sources, const CLI::Option* option) {
  const auto found = sources.find(option);
  return found == sources.end() ? FlagSource::kDefault : found->second;
}

FlagSources ParseFlags(CLI::App* app, const std::string& prefix,
                       const std::string& group, int argc,
                       const char* const* argv) {
  CLI::Option* const flagfile = AddFlagfile(app, prefix, group);
  // What the command line lacks may be elsewhere. CLI11 says so only after it
  // has read all of it, so the counts of options are right by then.
  std::exception_ptr missing;
  try {
    app->parse(argc, argv);
  } catch (const CLI::RequiredError&) {
    missing = std::current_exception();
  } catch (const CLI::RequiresError&) {
    missing = std::current_exception();
  }
  Collector collector(app, prefix, flagfile);
  collector.ReadEnvironment();
  collector.ReadFlagfiles();
  if (collector.settings().empty()) {
    if (missing) std::rethrow_exception(missing);
    return collector.sources();
  }
  for (const Setting& setting : collector.settings()) Check(setting);
  // This runs after the parser has cleared what it had, and before it reads.
  app->preparse_callback([&collector](std::size_t) {
    for (const Setting& setting : collector.settings()) Give(setting);
  });
  app->parse(argc, argv);
  app->preparse_callback(nullptr);
  return collector.sources();
}

}  // namespace adv
