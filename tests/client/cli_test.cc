// The real program against the fake server: exit codes, messages, files.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "client/printers/style.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using testing::FakeOptions;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;
using ::testing::StartsWith;

TEST_F(CliTest, NobodyAnswers) {
  const std::string address = server_->address();
  server_.reset();  // its port is free again
  Process process({Advctl(), "--server=" + address, "models", "list"});
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_THAT(process.err(), HasSubstr("no server answers at " + address));
  EXPECT_THAT(process.err(), HasSubstr("advserver"));
  EXPECT_THAT(process.err(), HasSubstr("--local"));
  EXPECT_EQ(process.out(), "");
}

TEST_F(CliTest, ATimeThatIsTooShortIsToldAsSuch) {
  const Outcome live = Run({"models", "list", "--timeout=0.000001"});
  EXPECT_EQ(live.code, 1);
  EXPECT_THAT(live.err, HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_THAT(live.err, HasSubstr("--timeout sets the limit"));
  EXPECT_THAT(live.err, Not(HasSubstr("no server answers")));
  // One that listens and says nothing.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener, any, length), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, any, &length), 0);
  const std::string silent =
      "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  Process process(
      {Advctl(), "--server=" + silent, "--timeout=0.2", "models", "list"});
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("no connection to " + silent +
                                       " within 0.2 s (DEADLINE_EXCEEDED)"));
  close(listener);
}

TEST_F(CliTest, TheAddressComesFromTheEnvironment) {
  Process process({Advctl(), "attacks", "list"},
                  {{"ADVCTL_SERVER", server_->address()}});
  EXPECT_EQ(process.Wait(), 0) << process.err();
  EXPECT_THAT(process.out(), HasSubstr("one step along the sign"));
}

TEST_F(CliTest, TheShortQuestion) {
  const Outcome outcome = Run({"evaluate", "--model=no-cat"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no-cat@1 beside balanced@1"));
  EXPECT_THAT(outcome.out, HasSubstr("FGSM at epsilon 0.01"));
  EXPECT_THAT(outcome.out, HasSubstr("IGSM at epsilon 2/255"));
  EXPECT_THAT(outcome.out, HasSubstr("▶ cat"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  const auto asked = server_->log().evaluations;
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_EQ(asked[0].spec().model(), "no-cat");
  EXPECT_EQ(asked[3].spec().model(), "balanced");
  EXPECT_TRUE(asked[3].spec().attacks(0).has_igsm());
}

TEST_F(CliTest, NoComparisonWithoutBalancedOrWhenNotWanted) {
  EXPECT_THAT(Run({"evaluate", "--model=no-cat", "--no-compare"}).out,
              Not(HasSubstr("balanced")));
  FakeOptions options;
  options.models = {testing::CannedModel("no-cat")};
  StartServer(options);
  const Outcome outcome = Run({"evaluate", "--model=no-cat"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, Not(HasSubstr("balanced")));
}

TEST_F(CliTest, TheWholeSpecificationArrives) {
  const Outcome outcome =
      Run({"evaluate", "--model=no-cat@1", "--attack=igsm", "--epsilon",
           "2/255,0.5", "--goal=targeted:dog", "--dataset=d", "--samples=200",
           "--seed=7", "--source-model=balanced", "--success=any", "--steps=9",
           "--step-size=2/255", "--eight-bit", "--tile-size=64",
           "--cancel-on-disconnect"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto request = server_->log().evaluations.at(0);
  EXPECT_TRUE(request.cancel_on_disconnect());
  const v1::EvaluationSpec& spec = request.spec();
  EXPECT_EQ(spec.model(), "no-cat@1");
  EXPECT_EQ(spec.attacks(0).igsm().steps(), 9u);
  EXPECT_EQ(spec.attacks(0).igsm().step_size().levels(), 2);
  EXPECT_EQ(spec.epsilons(1).pixels(), .5);
  EXPECT_EQ(spec.goal().targeted().target_class(), 5);
  EXPECT_EQ(spec.dataset(), "d");
  EXPECT_EQ(spec.samples(), 200u);
  EXPECT_EQ(spec.seed(), 7u);
  EXPECT_EQ(spec.source_model(), "balanced");
  EXPECT_EQ(spec.success(), v1::SUCCESS_RULE_ANY_ITERATE);
  EXPECT_TRUE(spec.eight_bit());
  EXPECT_EQ(spec.tile_size(), 64u);
}

TEST_F(CliTest, EveryCommandPrintsValidJson) {
  const std::string image = MakeImage("cat.png");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{
           {"evaluate", "--model=no-cat"},
           {"evaluations", "list"},
           {"evaluations", "show", "a01111"},
           {"evaluations", "records", "a01111", "--limit=3"},
           {"evaluations", "attach", "a01111"},
           {"evaluations", "resume", "a01111"},
           {"evaluations", "diff", "a01111", "a01111"},
           {"evaluations", "cancel", "a01111"},
           {"evaluations", "delete", "a01111"},
           {"models", "list"},
           {"models", "show", "no-cat"},
           {"models", "table"},
           {"models", "reload"},
           {"models", "alias", "set", "stable", "no-cat"},
           {"models", "alias", "list"},
           {"models", "alias", "remove", "stable"},
           {"attacks", "list"},
           {"attacks", "show", "pgd"},
           {"attacks", "reference"},
           {"transfer", "--sources=no-cat", "--targets=all"},
           {"server", "info"},
           {"version"},
           {"classify", image},
           {"attack", image, "--out=" + Path("adv.png")}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--output=json");
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 0) << command[0] << outcome.err;
    EXPECT_TRUE(json::accept(outcome.out)) << outcome.out;
    EXPECT_FALSE(json::parse(outcome.out).empty()) << outcome.out;
  }
}

TEST_F(CliTest, EvaluationsAsJsonAndCsv) {
  const json reports = json::parse(
      Run({"evaluate", "--model=no-cat", "--output=json"}).out)["evaluations"];
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_EQ(reports[0]["state"], "EVALUATION_STATE_SUCCEEDED");
  EXPECT_EQ(reports[0]["report"]["results"][0]["attack_name"], "fgsm");
  EXPECT_EQ(reports[3]["report"]["resolved"]["model"]["name"], "balanced");
  const std::string csv =
      Run({"evaluate", "--model=no-cat", "--output=csv"}).out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 11);
  const std::string shown =
      Run({"evaluations", "show", "a01111", "--output=csv"}).out;
  EXPECT_EQ(shown.substr(0, shown.find('\n')), csv.substr(0, csv.find('\n')));
}

TEST_F(CliTest, EvaluationsAreListedShownAndDeleted) {
  const Outcome list = Run({"evaluations", "list", "--limit=2"});
  EXPECT_THAT(list.out, HasSubstr("succeeded"));
  EXPECT_THAT(list.out, HasSubstr("256/1,000"));  // from the second page
  EXPECT_THAT(Run({"evaluations", "show", "a01111"}).out,
              HasSubstr("FGSM at epsilon 0.01 takes no-cat"));
  const Outcome missing = Run({"evaluations", "show", "ffffff"});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err, HasSubstr("no evaluation ffffff"));
  EXPECT_EQ(Run({"evaluations", "delete", "running"}).code, 4);
  EXPECT_EQ(Run({"evaluations", "cancel", "a01111"}).code, 0);
  EXPECT_THAT(server_->log().cancelled, ElementsAre("a01111"));
}

TEST_F(CliTest, RecordsComeFromAllPages) {
  const std::string csv =
      Run({"evaluations", "records", "a01111", "--output=csv"}).out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1001);
  EXPECT_THAT(csv, HasSubstr("\n999,9,9,0.9,0.9,fgsm,0.01,-1,5,0.75,"));
  const std::string table = Run({"evaluations", "records", "a01111"}).out;
  EXPECT_THAT(table, HasSubstr("The first 20 of 1,000"));
  EXPECT_THAT(table, HasSubstr("✗ dog 75.0%"));
}

TEST_F(CliTest, ServerInfoHasItsFactsForPeopleAndPrograms) {
  const std::string text = Run({"server", "info"}).out;
  const std::string csv = Run({"server", "info", "--output=csv"}).out;
  for (const auto& [fact, row] :
       std::vector<std::pair<const char*, const char*>>{
           {"2 executors,", "executor_threads,2"},
           {"1 each within one operation\n", "intra_op_threads,1"},
           {"2026-11-18 11:06 UTC\n", "started (UTC),2026-11-18 11:06"},
           {"fgsm, igsm,", "attacks,fgsm igsm mi_fgsm boundary"},
           {"16,777,216 bytes a message,", "message_bytes,16777216"},
           {" 8 attacks an", "attacks_per_evaluation,8"},
           {" 1,000 evaluations", "concurrent_evaluations,1000"},
           {" 0 bytes of", "state_bytes,0"},
           {"  cifar10-sample   1,000  dddddddddddd",
            "dataset cifar10-sample,1000"}}) {
    EXPECT_THAT(text, HasSubstr(fact));
    EXPECT_THAT(csv, HasSubstr(std::string("\n") + row + "\n"));
  }
}

TEST_F(CliTest, ModelsTellTheirTraining) {
  EXPECT_THAT(Run({"models", "list"}).out, HasSubstr("26.1"));
  const Outcome show = Run({"models", "show", "no-cat"});
  EXPECT_THAT(show.out, HasSubstr("▶ cat"));
  EXPECT_THAT(show.out, HasSubstr("█"));
  EXPECT_THAT(show.out, HasSubstr("▲"));
  const std::string epochs =
      Run({"models", "show", "no-cat", "--output=csv"}).out;
  EXPECT_EQ(std::count(epochs.begin(), epochs.end(), '\n'), 13);
  const Outcome unknown = Run({"models", "show", "no-lion"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_THAT(unknown.err, HasSubstr("known are balanced, no-cat"));
  EXPECT_THAT(Run({"models", "reload"}).out, HasSubstr("no-dog"));
}

TEST_F(CliTest, AliasesAreSetListedAndRemoved) {
  EXPECT_EQ(Run({"models", "alias", "list"}).out, "There are no aliases.\n");
  EXPECT_EQ(Run({"models", "alias", "set", "stable", "no-cat@1"}).out,
            "stable stands for no-cat@1.\n");
  EXPECT_EQ(Run({"models", "alias", "list", "--output=csv"}).out,
            "alias,target,model,version,digest\n"
            "stable,no-cat@1,no-cat,1,aaaaaaaaaaaa\n");
  EXPECT_THAT(Run({"models", "list"}).out, HasSubstr("\nstable  no-cat@1"));
  EXPECT_EQ(Run({"models", "alias", "remove", "stable"}).out,
            "Removed stable.\n");
  const Outcome again = Run({"models", "alias", "remove", "stable"});
  EXPECT_EQ(again.code, 4);
  EXPECT_THAT(again.err, HasSubstr("there is no such alias"));
  EXPECT_EQ(Run({"models", "alias", "set", "stable"}).code, 2);
}

TEST_F(CliTest, ModelsStandBesideTheThesis) {
  const Outcome table = Run({"models", "table"});
  ASSERT_EQ(table.code, 0) << table.err;
  // Its list leaves out the curves; the number of epochs is there anyway.
  EXPECT_THAT(table.out, HasSubstr("cifar10   quick         12    11  at"));
  EXPECT_THAT(table.out, Not(HasSubstr("Fake 9000")));
  EXPECT_THAT(Run({"models", "table", "--wide"}).out, HasSubstr("Fake 9000"));
  const std::string csv = Run({"models", "table", "--output=csv"}).out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 12);
  const json data = json::parse(Run({"models", "table", "--output=json"}).out);
  EXPECT_EQ(data["models"][4]["model"], "no-cat");
  EXPECT_EQ(data["models"][4]["ours"]["epochs"], 12);
}

TEST_F(CliTest, TheTableTellsWhatCouldNotBeLoaded) {
  FakeOptions options;
  options.models.push_back(testing::CannedModel("no-cat"));
  options.models.back().set_version(2);
  options.models.back().set_state(v1::MODEL_STATE_FAILED);
  options.models.back().set_error("weights.safetensors: wrong digest");
  StartServer(options);
  const json data = json::parse(Run({"models", "table", "--output=json"}).out);
  EXPECT_EQ(data["models"][4]["ours"]["version"], "1");
  EXPECT_THAT(Run({"models", "table"}).out,
              HasSubstr("note: no-cat@2 failed: weights.safetensors: wrong"));
}

TEST_F(CliTest, AnEmptyStoreShowsTheThesisAlone) {
  FakeOptions options;
  options.models.clear();
  StartServer(options);
  const Outcome table = Run({"models", "table"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("no-truck        83.48  –"));
  EXPECT_THAT(table.out, Not(HasSubstr("Training")));
  const json data = json::parse(Run({"models", "table", "--output=json"}).out);
  EXPECT_EQ(data["models"].size(), 11u);
  EXPECT_TRUE(data["models"][0]["ours"].is_null());
}

TEST_F(CliTest, OtherLocalesGetPlainAscii) {
  const auto run = [this](const char* locale, const char* output) {
    Process process(Command({"models", "show", "no-cat",
                             std::string("--output=") + output}),
                    {{"LC_ALL", locale}});
    EXPECT_EQ(process.Wait(), 0) << process.err();
    return process.out();
  };
  const std::string plain = run("C", "table");
  EXPECT_TRUE(std::all_of(plain.begin(), plain.end(), [](char c) {
    return (c & 0x80) == 0;
  })) << plain;
  EXPECT_THAT(plain, HasSubstr("> cat"));
  EXPECT_EQ(plain.size(), DisplayWidth(run("de_DE.utf8", "table")));
  EXPECT_EQ(run("C", "json"), run("C.UTF-8", "json"));
}

TEST_F(CliTest, FullDiskIsAFailure) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  Process process({"/bin/sh", "-c",
                   Advctl() + " --server=" + server_->address() +
                       " models list > /dev/full"});
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("could not be written"));
}

}  // namespace
}  // namespace adv
