#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/printers/models.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

ExitCode List(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::ListModelsResponse response;
  const grpc::Status status =
      server->models().ListModels(call.get(), {}, &response);
  if (!status.ok()) return context.Fail(status);
  response.clear_models();
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(response));
      break;
    case OutputFormat::kCsv:
      context.out() << AliasTable(response).ToCsv();
      break;
    case OutputFormat::kTable:
      if (response.aliases().empty()) {
        context.out() << "There are no aliases.\n";
      } else {
        context.out() << AliasTable(response).ToText(context.style(), 0);
      }
      break;
  }
  return kOk;
}

ExitCode Set(Context& context, const v1::SetModelAliasRequest& request) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  // The server loads and verifies the model within this call.
  const auto call = server->NewCall(kComputeSeconds);
  v1::SetModelAliasResponse response;
  const grpc::Status status =
      server->models().SetModelAlias(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  const v1::ModelReference& model = response.alias().model();
  v1::ListModelsResponse list;
  *list.add_aliases() = response.alias();
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(response));
      break;
    case OutputFormat::kCsv:
      context.out() << AliasTable(list).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << Visible(absl::StrCat(response.alias().name(),
                                            " stands for ", model.name(), "@",
                                            model.version(), "."))
                    << "\n";
      break;
  }
  return kOk;
}

ExitCode Remove(Context& context, const v1::DeleteModelAliasRequest& request) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::DeleteModelAliasResponse response;
  const grpc::Status status =
      server->models().DeleteModelAlias(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  const std::string& alias = request.alias();
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText({{"removed", alias}});
      break;
    case OutputFormat::kCsv:
      context.out() << "removed\n" << CsvField(Visible(alias)) << "\n";
      break;
    case OutputFormat::kTable:
      context.out() << "Removed " << Visible(alias) << ".\n";
      break;
  }
  return kOk;
}

}  // namespace

void AddModelsAlias(CLI::App* models, Action* action) {
  CLI::App* group = models->add_subcommand(
      "alias", "Further names of models, such as stable and canary");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl models alias set canary no-cat@2\n"
      "  advctl models alias set stable canary\n"
      "  advctl models alias list\n"
      "  advctl models alias remove canary");

  CLI::App* list = group->add_subcommand("list", "List what aliases stand for");
  list->footer("Example:\n  advctl models alias list");
  list->callback([action] { *action = List; });

  CLI::App* set = group->add_subcommand(
      "set", "Make an alias stand for a model, without a failed call");
  auto wanted = std::make_shared<v1::SetModelAliasRequest>();
  set->add_option("ALIAS", *wanted->mutable_alias(), "Its name")->required();
  set->add_option("NAME", *wanted->mutable_model(),
                  "NAME (its newest version, whichever that is), NAME@VERSION, "
                  "or an alias: what that stands for now")
      ->required();
  set->footer(
      "Examples:\n"
      "  advctl models alias set stable no-cat@2\n"
      "  advctl models alias set stable canary");
  set->callback([action, wanted] {
    *action = [wanted](Context& context) { return Set(context, *wanted); };
  });

  CLI::App* remove =
      group->add_subcommand("remove", "Take an alias away; its model stays");
  auto unwanted = std::make_shared<v1::DeleteModelAliasRequest>();
  remove->add_option("ALIAS", *unwanted->mutable_alias(), "Its name")
      ->required();
  remove->footer("Example:\n  advctl models alias remove canary");
  remove->callback([action, unwanted] {
    *action = [unwanted](Context& context) {
      return Remove(context, *unwanted);
    };
  });
}

}  // namespace adv
