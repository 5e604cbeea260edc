#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// The facts for people; counts have separators, and ids are shortened.
std::string Text(const v1::GetServerInfoResponse& info, const Style& style) {
  const v1::Limits& limits = info.limits();
  std::string text = absl::StrCat(
      style.Bold(Visible(absl::StrCat("advserver ", info.version()))), " on ",
      Visible(info.device()), "\n");
  // Names take columns 2 to 13, values start at column 14 and wrap there.
  const auto line = [&](const char* name, const std::string& value) {
    absl::StrAppend(&text, "  ", style.Dim(PadRight(name, 12)),
                    WrapWords(value, 100, 14, 14), "\n");
  };
  line("libraries", absl::StrJoin(info.libraries(), ", "));
  line("threads",
       absl::StrCat(info.executor_threads(), " executors, ",
                    info.intra_op_threads(), " each within one operation"));
  line("started", absl::StrCat(TimeText(info.started_at()), " UTC"));
  line("attacks", absl::StrJoin(info.attacks(), ", "));
  line("limits",
       absl::StrCat(
           CountText(limits.message_bytes()), " bytes a message, ",
           CountText(limits.images_per_request()), " images a request, ",
           CountText(limits.steps()), " steps, ", CountText(limits.queries()),
           " queries, ", CountText(limits.attacks()), " attacks and ",
           CountText(limits.epsilons()), " epsilons and ",
           CountText(limits.evaluation_records()), " results an evaluation, ",
           CountText(limits.concurrent_evaluations()), " evaluations at once"));
  Table table({{"data set"}, {"images", true}, {"sha256"}, {"classes", true}});
  for (const v1::DatasetInfo& dataset : info.datasets()) {
    table.AddRow({dataset.name(), CountText(dataset.size()),
                  ShortId(dataset.sha256()),
                  absl::StrCat(dataset.class_names_size())});
  }
  return absl::StrCat(text, "\n", table.ToText(style));
}

// The facts for programs: exact numbers.
std::string Csv(const v1::GetServerInfoResponse& info) {
  // Each fact has a row of its own, because data sets and limits share no
  // columns.
  Table table({{"name"}, {"value"}});
  const v1::Limits& limits = info.limits();
  table.AddRow({"version", info.version()});
  table.AddRow({"device", info.device()});
  table.AddRow({"libraries", absl::StrJoin(info.libraries(), "; ")});
  table.AddRow({"attacks", absl::StrJoin(info.attacks(), " ")});
  table.AddRow({"message_bytes", absl::StrCat(limits.message_bytes())});
  table.AddRow(
      {"images_per_request", absl::StrCat(limits.images_per_request())});
  table.AddRow({"steps", absl::StrCat(limits.steps())});
  table.AddRow({"queries", absl::StrCat(limits.queries())});
  table.AddRow({"epsilons", absl::StrCat(limits.epsilons())});
  table.AddRow(
      {"evaluation_records", absl::StrCat(limits.evaluation_records())});
  table.AddRow({"state_bytes", absl::StrCat(limits.state_bytes())});
  for (const v1::DatasetInfo& dataset : info.datasets()) {
    table.AddRow({absl::StrCat("dataset ", dataset.name()),
                  absl::StrCat(dataset.size())});
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
}

}  // namespace adv
