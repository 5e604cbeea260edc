#include "client/printers/models.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

ExitCode ListModels(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::ListModelsResponse response;
  const grpc::Status status =
      server->models().ListModels(call.get(), {}, &response);
  if (!status.ok()) return context.Fail(status);
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(response));
      return kOk;
    case OutputFormat::kCsv:
      context.out() << ModelTable(response).ToCsv();
      return kOk;
    case OutputFormat::kTable:
      break;
  }
  context.out() << ModelTable(response).ToText(context.style(), 0);
  // The errors follow the table, because they are too long for a cell.
  for (const v1::Model& model : response.models()) {
    if (model.error().empty()) continue;
    context.out() << "\n"
                  << context.style().Mark(Visible(absl::StrCat(
                         model.name(), "@", model.version(), ": ")))
                  << Visible(model.error()) << "\n";
  }
  if (!response.aliases().empty()) {
    context.out() << "\n" << AliasTable(response).ToText(context.style(), 0);
  }
  if (response.models().empty()) {
    context.out() << "\nThe server has no models: give it a folder with "
                     "--store, or train one with advtrain.\n";
  }
  return kOk;
}

// CSV is one table, so it has the curves alone; JSON has everything.
ExitCode ShowModel(Context& context, const std::string& name) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::GetModelRequest request;
  request.set_model(name);
  v1::GetModelResponse response;
  const grpc::Status status =
      server->models().GetModel(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(response.model()));
      break;
    case OutputFormat::kCsv:
      context.out() << EpochTable(response.model()).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << ModelText(response.model(), context.style());
      if (!response.aliases().empty()) {
        context.out() << "\naliases: "
                      << Visible(absl::StrJoin(response.aliases(), ", "))
                      << "\n";
      }
      break;
  }
  return kOk;
}

// Lists what the server found, failures included.
ExitCode Reload(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  // The server loads and verifies the new versions within this call.
  const auto call = server->NewCall(kComputeSeconds);
  v1::ReloadModelsResponse response;
  const grpc::Status status =
      server->models().ReloadModels(call.get(), {}, &response);
  if (!status.ok()) return context.Fail(status);
  // Loaded versions come before failed ones, whose cell tells the error.
  Table table({{"model"}, {"version"}, {"result"}});
  for (const v1::ModelReference& model : response.loaded()) {
    table.AddRow({model.name(), absl::StrCat(model.version()), "loaded"});
  }
  for (const v1::Model& model : response.failed()) {
    table.AddRow({model.name(), absl::StrCat(model.version()), model.error()});
  }
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(response));
      break;
    case OutputFormat::kCsv:
      context.out() << table.ToCsv();
      break;
    case OutputFormat::kTable:
      if (response.loaded().empty() && response.failed().empty()) {
        context.out() << "Nothing new.\n";
      } else {
        context.out() << table.ToText(context.style(), 0);
      }
      break;
  }
  // Scripts see that a version failed, even if others were loaded.
  return response.failed().empty() ? kOk : kFailed;
}

}  // namespace

void AddModels(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("models", "The models of the server");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl models list\n"
      "  advctl models show no-cat\n"
      "  advctl models table\n"
      "  advctl models import net.pt --store=models --shape=3x64x64 "
      "--classes=c.txt");

  CLI::App* list =
      group->add_subcommand("list", "List the models with their test accuracy");
  list->footer("Example:\n  advctl models list");
  list->callback([action] { *action = ListModels; });

  CLI::App* show = group->add_subcommand("show",
                                         "Show how a model was trained and how "
                                         "it does (--output=csv: its epochs)");
  auto name = std::make_shared<std::string>();
  show->add_option("NAME", *name, "NAME, NAME@VERSION or an alias")->required();
  show->footer(
      "Examples:\n"
      "  advctl models show no-cat\n"
      "  advctl models show no-cat@1 --output=json");
  show->callback([action, name] {
    *action = [name](Context& context) { return ShowModel(context, *name); };
  });

  AddModelsTable(group, action);
  AddModelsImport(group, action);

  CLI::App* reload = group->add_subcommand(
      "reload", "Have the server look for new versions in its stores now");
  reload->footer(
      "Example:\n  advctl models reload\n\n"
      "Exit status 1 if a version could not be loaded.");
  reload->callback([action] { *action = Reload; });

  AddModelsAlias(group, action);
}

}  // namespace adv
