#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/evaluations/comparison.h"
#include "client/printers/comparison.h"
#include "client/printers/json.h"

namespace adv {
namespace {

struct Fetched {
  std::vector<v1::Model> models;  // one for each name, with all details
  std::vector<std::string> notes;
};

// Fetches the models. The list has the names and failures but no training
// curves, so each model is asked for again; the answer is its newest loaded
// version.
ExitCode Fetch(Context& context, Connection& server, Fetched* fetched) {
  const auto call = server.NewCall(kQuickSeconds);
  v1::ListModelsResponse list;
  const grpc::Status listed = server.models().ListModels(call.get(), {}, &list);
  if (!listed.ok()) return context.Fail(listed);
  // A model may have several versions. The set has each name once.
  std::set<std::string> names;
  for (const v1::Model& model : list.models()) {
    names.insert(model.name());
    if (model.state() == v1::MODEL_STATE_FAILED) {
      fetched->notes.push_back(absl::StrCat(model.name(), "@", model.version(),
                                            " failed: ", model.error()));
    }
  }
  for (const std::string& name : names) {
    // A client context serves one call only.
    const auto next = server.NewCall(kQuickSeconds);
    v1::GetModelRequest request;
    request.set_model(name);
    v1::GetModelResponse response;
    const grpc::Status status =
        server.models().GetModel(next.get(), request, &response);
    if (!status.ok()) return context.Fail(status);
    // The server has not verified the manifest of a failed model.
    if (response.model().state() == v1::MODEL_STATE_FAILED) continue;
    fetched->models.push_back(std::move(*response.mutable_model()));
  }
  return kOk;
}

ExitCode Print(Context& context, bool wide) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  Fetched fetched;
  const ExitCode code = Fetch(context, *server, &fetched);
  if (code != kOk) return code;
  const auto rows = CompareWithThesis(fetched.models);
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ComparisonJson(rows, fetched.notes));
      break;
    case OutputFormat::kCsv:
      context.out() << ComparisonCsv(rows).ToCsv();
      break;
    case OutputFormat::kTable:
      context.out() << ComparisonText(rows, fetched.notes, wide,
                                      context.style());
      break;
  }
  return kOk;
}

}  // namespace

void AddModelsTable(CLI::App* models, Action* action) {
  CLI::App* table = models->add_subcommand(
      "table", "Compare the models with table 5.2 of the thesis");
  auto wide = std::make_shared<bool>(false);
  table->add_flag("--wide", *wide,
                  "Also time, threads, device, version and digest (json and "
                  "csv have them anyway)");
  table->footer(
      "Examples:\n"
      "  advctl models table\n"
      "  advctl --local models table --wide\n"
      "  advctl models table --output=csv > table52.csv\n\n"
      "The newest version of each model that the server could load counts.\n"
      "Models that it does not have show the thesis's numbers alone.");
  table->callback([action, wide] {
    *action = [wide](Context& context) { return Print(context, *wide); };
  });
}

}  // namespace adv
