#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// A fact about the server, as people and programs get it.
struct Fact {
  const char* line;   // of the text; facts of one line stand side by side
  const char* name;   // of the row in the CSV
  std::string value;  // exact, for the CSV
  std::string text;
};

// The facts but version, device and data sets.
std::vector<Fact> FactsOf(const v1::GetServerInfoResponse& info) {
  const std::string started = TimeText(info.started_at());
  std::vector<Fact> facts = {
      {"libraries", "libraries", absl::StrJoin(info.libraries(), "; "),
       absl::StrJoin(info.libraries(), ", ")},
      {"threads", "executor_threads", absl::StrCat(info.executor_threads()),
       absl::StrCat(info.executor_threads(), " executors")},
      {"threads", "intra_op_threads", absl::StrCat(info.intra_op_threads()),
       absl::StrCat(info.intra_op_threads(), " each within one operation")},
      {"started", "started (UTC)", started, started + " UTC"},
      {"attacks", "attacks", absl::StrJoin(info.attacks(), " "),
       absl::StrJoin(info.attacks(), ", ")}};
  const auto limit = [&facts](const char* name, std::uint64_t most,
                              const char* unit) {
    facts.push_back({"limits", name, absl::StrCat(most),
                     absl::StrCat(CountText(most), " ", unit)});
  };
  const v1::Limits& limits = info.limits();
  limit("message_bytes", limits.message_bytes(), "bytes a message");
  limit("images_per_request", limits.images_per_request(), "images a request");
  limit("steps", limits.steps(), "steps");
  limit("queries", limits.queries(), "queries");
  // The row "attacks" has their names.
  limit("attacks_per_evaluation", limits.attacks(), "attacks an evaluation");
  limit("epsilons", limits.epsilons(), "epsilons an evaluation");
  limit("evaluation_records", limits.evaluation_records(),
        "results an evaluation");
  limit("concurrent_evaluations", limits.concurrent_evaluations(),
        "evaluations at once");
  limit("state_bytes", limits.state_bytes(), "bytes of evaluations kept");
  return facts;
}

// For people; counts have separators, and ids are shortened.
std::string Text(const v1::GetServerInfoResponse& info, const Style& style) {
  std::string text = absl::StrCat(
      style.Bold(Visible(absl::StrCat("advserver ", info.version()))), " on ",
      Visible(info.device()), "\n");
  const std::vector<Fact> facts = FactsOf(info);
  for (std::size_t i = 0; i < facts.size();) {
    const std::string line = facts[i].line;
    std::vector<std::string> texts;
    for (; i < facts.size() && facts[i].line == line; ++i) {
      texts.push_back(facts[i].text);
    }
    // Names take columns 2 to 13, values start at column 14 and wrap there.
    absl::StrAppend(&text, "  ", style.Dim(PadRight(line, 12)),
                    WrapWords(absl::StrJoin(texts, ", "), 100, 14, 14), "\n");
  }
  Table table({{"data set"}, {"images", true}, {"sha256"}, {"classes", true}});
  for (const v1::DatasetInfo& dataset : info.datasets()) {
    table.AddRow({dataset.name(), CountText(dataset.size()),
                  ShortId(dataset.sha256()),
                  absl::StrCat(dataset.class_names_size())});
  }
  return absl::StrCat(text, "\n", table.ToText(style));
}

// For programs. Each fact has a row of its own, because data sets and limits
// share no columns.
std::string Csv(const v1::GetServerInfoResponse& info) {
  Table table({{"name"}, {"value"}});
  table.AddRow({"version", info.version()});
  table.AddRow({"device", info.device()});
  for (const Fact& fact : FactsOf(info)) table.AddRow({fact.name, fact.value});
  for (const v1::DatasetInfo& dataset : info.datasets()) {
    const std::string& name = dataset.name();
    table.AddRow({"dataset " + name, absl::StrCat(dataset.size())});
    table.AddRow({"dataset_sha256 " + name, dataset.sha256()});
    table.AddRow(
        {"dataset_classes " + name, absl::StrCat(dataset.class_names_size())});
  }
  return table.ToCsv();
}

ExitCode Info(Context& context) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::GetServerInfoResponse info;
  const grpc::Status status =
      server->server().GetServerInfo(call.get(), {}, &info);
  if (!status.ok()) return context.Fail(status);
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ToJson(info));
      break;
    case OutputFormat::kCsv:
      context.out() << Csv(info);
      break;
    case OutputFormat::kTable:
      context.out() << Text(info, context.style());
      break;
  }
  return kOk;
}

}  // namespace

void AddServer(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("server", "Ask about the server");
  group->require_subcommand(1);
  group->footer("Example:\n  advctl server info");
  CLI::App* info = group->add_subcommand(
      "info", "Versions, device, limits, attacks and data sets of the server");
  info->footer(
      "Examples:\n"
      "  advctl server info\n"
      "  advctl --server=gpu-1:50051 server info --output=json");
  info->callback([action] { *action = Info; });
  AddServerReady(group, action);
}

}  // namespace adv
