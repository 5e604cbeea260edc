// advctl context: the servers that have a name. No call is made.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/contexts/saved_contexts.h"
#include "client/printers/json.h"
#include "client/printers/table.h"
#include "client/session/channel.h"
#include "client/session/credentials.h"
#include "client/session/errors.h"

namespace adv {
namespace {

using nlohmann::ordered_json;

ExitCode Fail(Context& context, const absl::Status& status) {
  return context.Fail(status, ConnectErrorCode(status));
}

// Prints a line for people; programs have the exit status.
void Say(Context& context, const std::string& line) {
  if (context.options().output == OutputFormat::kTable) {
    context.out() << line << "\n";
  }
}

// What the command line, or a flagfile of it, says of the server. What the
// environment says may be of another one.
ServerAccess Given(const Context& context) {
  AccessFlags flags = context.options().access;
  flags.given.erase(FlagSource::kEnvironment);
  return Absolute(flags.Over({}));
}

// Whether a call could use the access; that the server answers is not asked.
absl::Status CheckUsable(const ServerAccess& access) {
  const auto target = TargetOf(access.server);
  // A name that is not known today may be tomorrow.
  if (absl::IsInvalidArgument(target.status())) return target.status();
  return LoadCredentials(access, target.ok() ? *target : access.server)
      .status();
}

ExitCode AddOne(Context& context, const std::string& name, bool replace) {
  if (const auto status = CheckContextName(name); !status.ok()) {
    return context.Usage("NAME", status);
  }
  const ServerAccess access = Given(context);
  if (access.server.empty()) {
    return context.Usage("--server is required: the address of " + name);
  }
  if (const auto status = CheckUsable(access); !status.ok()) {
    return Fail(context, status);
  }
  auto contexts = ReadContexts();
  if (!contexts.ok()) return Fail(context, contexts.status());
  if (!replace && contexts->by_name.count(name) > 0) {
    return context.Usage(absl::StrCat("there is a context '", name,
                                      "' already; --replace replaces it"));
  }
  contexts->by_name[name] = access;
  if (const auto status = WriteContexts(*contexts); !status.ok()) {
    return Fail(context, status);
  }
  Say(context, absl::StrCat("Added ", name, " (", access.server, ").",
                            contexts->current == name
                                ? ""
                                : absl::StrCat(" advctl context use ", name,
                                               " makes it the current one.")));
  return kOk;
}

ExitCode UseOne(Context& context, const std::string& name) {
  auto contexts = ReadContexts();
  if (!contexts.ok()) return Fail(context, contexts.status());
  const auto access = contexts->Get(name);
  if (!access.ok()) return Fail(context, access.status());
  contexts->current = name;
  if (const auto status = WriteContexts(*contexts); !status.ok()) {
    return Fail(context, status);
  }
  Say(context, absl::StrCat("Now using ", name, " (", access->server, ")."));
  return kOk;
}

ExitCode RemoveOne(Context& context, const std::string& name) {
  auto contexts = ReadContexts();
  if (!contexts.ok()) return Fail(context, contexts.status());
  const auto access = contexts->Get(name);
  if (!access.ok()) return Fail(context, access.status());
  const bool current = contexts->current == name;
  contexts->by_name.erase(name);
  if (current) contexts->current.clear();
  if (const auto status = WriteContexts(*contexts); !status.ok()) {
    return Fail(context, status);
  }
  Say(context,
      absl::StrCat("Removed ", name, ".",
                   current ? " It was the current one; now none is." : ""));
  return kOk;
}

ordered_json JsonOf(const std::string& name, const ServerAccess& access,
                    bool current) {
  ordered_json json = {{"name", name}, {"current", current}};
  for (const AccessField& field : kAccessFields) {
    json[field.name] = access.*field.value;
  }
  json["tls"] = access.UsesTls();
  return json;
}

// Every field, for programs.
std::string Csv(const SavedContexts& contexts) {
  std::vector<Table::Column> columns = {{"name"}, {"current"}};
  for (const AccessField& field : kAccessFields) {
    columns.push_back({field.name});
  }
  columns.push_back({"tls"});
  Table table(columns);
  for (const auto& [name, access] : contexts.by_name) {
    const auto text = [](bool value) { return value ? "true" : "false"; };
    std::vector<std::string> row = {name, text(name == contexts.current)};
    for (const AccessField& field : kAccessFields) {
      row.push_back(access.*field.value);
    }
    row.emplace_back(text(access.UsesTls()));
    table.AddRow(row);
  }
  return table.ToCsv();
}

std::string Proof(const ServerAccess& access) {
  if (!access.token_file.empty()) {
    return access.certificate.empty() ? "token" : "certificate, token";
  }
  return access.certificate.empty() ? "none" : "certificate";
}

std::string Text(const SavedContexts& contexts, const Style& style) {
  if (contexts.by_name.empty()) {
    return "There are no contexts: advctl context add NAME --server=HOST:PORT "
           "makes one.\n";
  }
  Table table({{"context"}, {"server"}, {"TLS"}, {"identity"}});
  for (const auto& [name, access] : contexts.by_name) {
    table.AddRow(
        {name, access.server, access.UsesTls() ? "yes" : "no", Proof(access)},
        name == contexts.current ? Table::Row::kMarked : Table::Row::kPlain);
  }
  return table.ToText(style);
}

ExitCode List(Context& context) {
  const auto contexts = ReadContexts();
  if (!contexts.ok()) return Fail(context, contexts.status());
  ordered_json list = ordered_json::array();
  switch (context.options().output) {
    case OutputFormat::kJson:
      for (const auto& [name, access] : contexts->by_name) {
        list.push_back(JsonOf(name, access, name == contexts->current));
      }
      context.out() << JsonText({{"contexts", list}});
      break;
    case OutputFormat::kCsv:
      context.out() << Csv(*contexts);
      break;
    case OutputFormat::kTable:
      context.out() << Text(*contexts, context.style());
      break;
  }
  return kOk;
}

ExitCode Show(Context& context, std::string name) {
  auto contexts = ReadContexts();
  if (!contexts.ok()) return Fail(context, contexts.status());
  if (name.empty()) name = context.options().access.context;
  if (name.empty()) name = contexts->current;
  if (name.empty()) {
    return context.Usage(
        "no context is current: name one, or choose one by advctl context use "
        "NAME");
  }
  const auto access = contexts->Get(name);
  if (!access.ok()) return Fail(context, access.status());
  const bool current = name == contexts->current;
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(JsonOf(name, *access, current));
      return kOk;
    case OutputFormat::kCsv:
      contexts->by_name = {{name, *access}};
      context.out() << Csv(*contexts);
      return kOk;
    case OutputFormat::kTable:
      break;
  }
  Table table({{"context"}, {current ? name + " (current)" : name}});
  for (const AccessField& field : kAccessFields) {
    const std::string& value = (*access).*field.value;
    if (!value.empty()) table.AddRow({field.name, value});
  }
  table.AddRow({"tls", access->UsesTls() ? "yes" : "no"});
  context.out() << table.ToText(context.style(), 0);
  return kOk;
}

using NamedAction = std::function<ExitCode(Context&, const std::string&)>;

// A verb of the group that takes a name and does `run` with it.
CLI::App* AddNamed(CLI::App* group, const char* verb, const char* about,
                   Action* action, const NamedAction& run,
                   bool required = true) {
  CLI::App* command = group->add_subcommand(verb, about);
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "Of the context")->required(required);
  command->callback([action, name, run] {
    *action = [name, run](Context& context) { return run(context, *name); };
  });
  return command;
}

}  // namespace

void AddContext(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand(
      "context", "Names for servers, with what it takes to reach them");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl context add lab --server=gpu-1:50051 --ca=ca.pem \\\n"
      "    --token-file=token\n"
      "  advctl context use lab\n"
      "  advctl --context=lab models list\n"
      "\n"
      "They are kept in ~/.config/adv/contexts.json ($XDG_CONFIG_HOME counts;\n"
      "ADVCTL_CONFIG names another file). Tokens stay in their own files.");

  auto replace = std::make_shared<bool>(false);
  CLI::App* add =
      AddNamed(group, "add", "Name a server: --server, and the options of TLS",
               action, [replace](Context& context, const std::string& name) {
                 return AddOne(context, name, *replace);
               });
  add->add_flag("--replace", *replace, "Replace a context of that name");
  add->footer(
      "Examples:\n"
      "  advctl context add here --server=localhost:50051\n"
      "  advctl context add lab --server=gpu-1:50051 --ca=ca.pem \\\n"
      "    --certificate=me.pem --key=me.key\n"
      "\n"
      "Files are looked at, and kept by their absolute paths. What the\n"
      "environment says is not kept.");
  AddNamed(group, "use", "Make a context the current one", action, UseOne)
      ->footer("Example:\n  advctl context use lab");
  CLI::App* list = group->add_subcommand(
      "list", "List the contexts; the current one is marked");
  list->footer("Example:\n  advctl context list");
  list->callback([action] { *action = List; });
  AddNamed(group, "show", "Show a context; without a name the current one",
           action, Show, /*required=*/false)
      ->footer("Example:\n  advctl context show lab");
  AddNamed(group, "remove", "Forget a context; its files stay", action,
           RemoveOne)
      ->footer("Example:\n  advctl context remove lab");
}

}  // namespace adv
