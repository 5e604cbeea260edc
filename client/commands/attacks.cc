#include <algorithm>

#include "client/attack_flags.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/printers/table.h"

namespace adv {
namespace {

std::string About(const std::string& name) {
  for (const auto& known : KnownAttacks()) {
    if (known.name == name) return known.about;
  }
  return "";
}

ExitCode List(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::GetServerInfoResponse info;
  const grpc::Status status =
      server->server().GetServerInfo(call.get(), {}, &info);
  if (!status.ok()) return context.Fail(status);
  Table table({{"attack"}, {"what it is"}});
  nlohmann::ordered_json attacks = nlohmann::ordered_json::array();
  for (const std::string& name : info.attacks()) {
    table.AddRow({name, About(name)});
    attacks.push_back({{"name", name}, {"about", About(name)}});
  }
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText({{"attacks", attacks}});
      break;
    case OutputFormat::kCsv:
      context.out() << table.ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << table.ToText(context.style(), 0);
      break;
  }
  return kOk;
}

}  // namespace

void AddAttacks(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("attacks", "The attacks of the server");
  group->require_subcommand(1);
  CLI::App* list =
      group->add_subcommand("list", "List the attacks that the server can run");
  list->footer("Example:\n  advctl attacks list");
  list->callback([action] { *action = List; });
}

}  // namespace adv
