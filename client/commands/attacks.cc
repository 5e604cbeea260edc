#include <memory>
#include <string>
#include <vector>

#include "client/attacks/attack_docs.h"
#include "client/attacks/attack_flags.h"
#include "client/commands/commands.h"
#include "client/printers/attack_docs.h"
#include "client/printers/attack_reference.h"
#include "client/printers/json.h"

namespace adv {
namespace {

// The documentation of the server's attacks. A newer server may have attacks
// that this client does not know; these have a name alone.
std::vector<AttackDocs> DocsOf(const v1::GetServerInfoResponse& info) {
  std::vector<AttackDocs> attacks;
  for (const std::string& name : info.attacks()) {
    const AttackDocs* docs = FindAttackDocs(name);
    AttackDocs stranger{};
    stranger.name = name;
    attacks.push_back(docs != nullptr ? *docs : stranger);
  }
  return attacks;
}

ExitCode ListAttacks(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::GetServerInfoResponse info;
  const grpc::Status status =
      server->server().GetServerInfo(call.get(), {}, &info);
  if (!status.ok()) return context.Fail(status);
  const std::vector<AttackDocs> attacks = DocsOf(info);
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(AttacksJson(attacks));
      break;
    case OutputFormat::kCsv:
      context.out() << AttackTable(attacks, true).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << AttackListText(attacks, context.style());
      break;
  }
  return kOk;
}

// Shows what this program knows of the attack, so no server is needed.
ExitCode ShowAttack(Context& context, const std::string& name) {
  const AttackDocs* attack = FindAttackDocs(name);
  if (attack == nullptr) {
    // The error of FindAttack lists all names.
    return context.Usage("NAME", FindAttack(name).status());
  }
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(AttackJson(*attack));
      break;
    case OutputFormat::kCsv:
      context.out() << ParameterTable(*attack).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << AttackDocsText(*attack, context.style());
      break;
  }
  return kOk;
}

// Prints all attacks that this program knows, whether a server runs them or
// not.
ExitCode Reference(Context& context) {
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(AttacksJson(AllAttackDocs()));
      break;
    case OutputFormat::kCsv:
      context.out() << ParameterTable(AllAttackDocs()).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << AttackReference();
      break;
  }
  return kOk;
}

}  // namespace

void AddAttacks(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("attacks", "What attacks there are");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl attacks list\n"
      "  advctl attacks show pgd\n"
      "  advctl attacks reference > attacks.md");
  CLI::App* list =
      group->add_subcommand("list", "List the attacks that the server can run");
  list->footer(
      "Examples:\n"
      "  advctl attacks list\n"
      "  advctl attacks list --output=csv");
  list->callback([action] { *action = ListAttacks; });
  CLI::App* show = group->add_subcommand(
      "show", "Explain an attack and its parameters; needs no server");
  auto name = std::make_shared<std::string>();
  show->add_option("NAME", *name, "The attack, for example pgd")->required();
  show->footer(
      "Examples:\n"
      "  advctl attacks show pgd\n"
      "  advctl attacks show auto-attack --output=json");
  show->callback([action, name] {
    *action = [name](Context& context) { return ShowAttack(context, *name); };
  });
  CLI::App* reference = group->add_subcommand(
      "reference",
      "Print a page of all attacks and parameters, in Markdown; needs no "
      "server");
  reference->footer(
      "Example:\n"
      "  advctl attacks reference > attacks.md");
  reference->callback([action] { *action = Reference; });
}

}  // namespace adv
