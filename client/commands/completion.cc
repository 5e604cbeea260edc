#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/attack_docs.h"
#include "client/commands/commands.h"
#include "client/commands/completion_scripts.h"

namespace adv {
namespace {

struct Flag {
  std::string name;  // with dashes
  std::string about;
  bool takes_value;
};

// A command in the form that the scripts need. `path` is "", "models" or
// "models list".
struct Node {
  std::string path;
  std::vector<std::string> children;
  std::vector<Flag> flags;
  // What the command's arguments are: files ("images", "any"), "evaluations",
  // or nothing that is completed.
  std::string takes;
};

// Appends the command and all below it. The command comes before its children,
// so the root is the first node.
void Walk(const CLI::App& app, const std::string& path,
          std::vector<Node>* nodes) {
  Node node;
  node.path = path;
  for (const CLI::Option* option : app.get_options()) {
    // Of the positional arguments only these are completed.
    if (option->get_positional()) {
      const std::string name = option->get_name(true);
      if (name == "IMAGE") node.takes = "images";
      if (name == "FILE") node.takes = "any";
      if (name == "ID" || name == "ID2") node.takes = "evaluations";
      continue;
    }
    // Short names, as -v, are left out.
    for (const std::string& name : option->get_lnames()) {
      node.flags.push_back({"--" + name, option->get_description(),
                            option->get_items_expected_max() > 0});
    }
  }
  // CLI11 hides the subcommands that were not called unless a filter takes all.
  const auto children =
      app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    node.children.push_back(child->get_name());
  }
  nodes->push_back(node);
  for (const CLI::App* child : children) {
    Walk(*child, absl::StrCat(path, path.empty() ? "" : " ", child->get_name()),
         nodes);
  }
}

// The words that may follow: commands, this command's flags, the global flags.
std::string WordsAfter(const Node& node, const Node& root) {
  std::vector<std::string> words = node.children;
  const auto add = [&](const Node& from) {
    for (const Flag& flag : from.flags) {
      // The "=" tells the scripts that a value follows, and that no blank does.
      // A command may have a flag of a global one's name, which is listed once.
      const std::string word = flag.name + (flag.takes_value ? "=" : "");
      if (std::find(words.begin(), words.end(), word) == words.end()) {
        words.push_back(word);
      }
    }
  };
  add(node);
  if (&node != &root) add(root);
  return absl::StrJoin(words, " ");
}

// The lines of a shell's `case` that map a command path to its words. Bash and
// zsh read the same lines.
std::string Cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    absl::StrAppend(&text, "    '", node.path, "')\n      words_after='",
                    WordsAfter(node, nodes.front()), "'\n");
    if (!node.takes.empty()) {
      absl::StrAppend(&text, "      takes=", node.takes, "\n");
    }
    absl::StrAppend(&text, "      ;;\n");
  }
  return text;
}

// All command paths, by which a script finds the command on the line. The root
// is left out, because its path is empty.
std::string Paths(const std::vector<Node>& nodes) {
  return absl::StrJoin(nodes.begin() + 1, nodes.end(), "|",
                       [](std::string* out, const Node& node) {
                         absl::StrAppend(out, "'", node.path, "'");
                       });
}

// All attacks that this program knows: a script cannot wait for a server to say
// which of them it runs.
std::string AttackNames() {
  return absl::StrJoin(AllAttackDocs(), " ",
                       [](std::string* out, const AttackDocs& docs) {
                         absl::StrAppend(out, docs.name);
                       });
}

// Fills in a script of bash or zsh.
std::string ShellScript(const char* script, const std::vector<Node>& nodes) {
  return absl::StrReplaceAll(script, {{"@CASES@", Cases(nodes)},
                                      {"@PATHS@", Paths(nodes)},
                                      {"@ATTACKS@", AttackNames()}});
}

// In single quotes fish knows only these two escapes.
std::string FishQuoted(const std::string& text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// The part of a fish completion for the values of a flag. "-x" asks for a value
// that is no file; "-r" lets it be one.
std::string FishValues(const Flag& flag, const std::string& command) {
  // --compare of `evaluate` names a model, that of `attack` a file.
  if (flag.name == "--model" || flag.name == "--source-model" ||
      (flag.name == "--compare" && command == "evaluate")) {
    return " -x -a '(__advctl_models)'";
  }
  if (flag.name == "--context") return " -x -a '(__advctl_contexts)'";
  if (flag.name == "--output") return " -x -a 'table json csv'";
  if (flag.name == "--sources" || flag.name == "--targets") {
    return " -x -a 'all (__advctl_models)'";
  }
  if (flag.name == "--attack") {
    return absl::StrCat(" -x -a '", AttackNames(), "'");
  }
  if (flag.name == "--norm") return " -x -a 'linf l2'";
  if (flag.name == "--measure") return " -x -a 'robust success perturbed'";
  if (flag.name == "--balance") return " -x -a 'round_robin'";
  if (flag.name == "--success") return " -x -a 'last any'";
  return " -r";
}

// Fish has no lines like Cases(): each word is a completion of its own, with
// the condition under which it is offered.
std::string FishScript(const std::vector<Node>& nodes) {
  std::string text = kFishHead;
  for (const Node& node : nodes) {
    // "models list" is command and verb; "evaluate" is a command alone; the
    // root has neither, and its flags are offered everywhere.
    const std::string command = node.path.substr(0, node.path.find(' '));
    const std::string verb = node.path.find(' ') == std::string::npos
                                 ? ""
                                 : node.path.substr(command.size() + 1);
    std::string when;
    if (!verb.empty()) {
      when = absl::StrCat(" -n '__fish_seen_subcommand_from ", command,
                          "; and __fish_seen_subcommand_from ", verb, "'");
    } else if (!command.empty()) {
      when = absl::StrCat(" -n '__fish_seen_subcommand_from ", command, "'");
    }
    // Children are offered until one of them is on the line.
    if (!node.children.empty()) {
      const std::string children = absl::StrJoin(node.children, " ");
      absl::StrAppend(
          &text, "complete -c advctl -f",
          command.empty()
              ? std::string(" -n __fish_use_subcommand")
              : absl::StrCat(" -n '__fish_seen_subcommand_from ", command,
                             "; and not __fish_seen_subcommand_from ", children,
                             "'"),
          " -a '", children, "'\n");
    }
    if (node.takes == "evaluations") {
      absl::StrAppend(&text, "complete -c advctl -f", when,
                      " -a '(__advctl_evaluations)'\n");
    }
    for (const Flag& flag : node.flags) {
      absl::StrAppend(&text, "complete -c advctl", when, " -l ",
                      flag.name.substr(2),
                      flag.takes_value ? FishValues(flag, command) : "", " -d ",
                      FishQuoted(flag.about), "\n");
    }
  }
  absl::StrAppend(&text,
                  "complete -c advctl -f -n '__fish_seen_subcommand_from "
                  "attacks; and __fish_seen_subcommand_from show' -a '",
                  AttackNames(), "'\n",
                  "complete -c advctl -f -n '__fish_seen_subcommand_from "
                  "context; and __fish_seen_subcommand_from use show remove' "
                  "-a '(__advctl_contexts)'\n");
  return text;
}

ExitCode Run(Context& context, const CLI::App& app, const std::string& shell) {
  std::vector<Node> nodes;
  Walk(app, "", &nodes);
  if (shell == "bash") {
    context.out() << ShellScript(kBashScript, nodes);
  } else if (shell == "zsh") {
    context.out() << ShellScript(kZshScript, nodes);
  } else {
    context.out() << FishScript(nodes);
  }
  return kOk;
}

}  // namespace

void AddCompletion(CLI::App& app, Action* action) {
  CLI::App* command = app.add_subcommand(
      "completion", "Print a script that completes advctl's command line");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Install:\n"
      "  bash  advctl completion bash > "
      "~/.local/share/bash-completion/completions/advctl\n"
      "  zsh   advctl completion zsh > \"${fpath[1]}/_advctl\"\n"
      "  fish  advctl completion fish > "
      "~/.config/fish/completions/advctl.fish\n"
      "\n"
      "Names of models and ids of evaluations are completed if the server\n"
      "answers within a second.");
  // The commands are read when the action runs, after all of them were added.
  const CLI::App* root = &app;
  command->callback([action, root, shell] {
    *action = [root, shell](Context& context) {
      return Run(context, *root, *shell);
    };
  });
}

}  // namespace adv
