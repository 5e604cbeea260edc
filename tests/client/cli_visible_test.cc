// The real program against a fake server whose texts are hostile to terminals.
#include <string>
#include <utility>
#include <vector>

#include "client/printers/visible.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using testing::FakeOptions;
using ::testing::HasSubstr;

// Clears the screen, ends the line, rings, and turns the rest around.
constexpr char kHostile[] = "\x1b[2J\n\r\t\x07\x7f\xc2\x9b\xe2\x80\xae";

FakeOptions OptionsWith(const std::string& tail) {
  FakeOptions options;
  options.tail = tail;
  options.attack_warnings = {"a warning"};
  options.models.push_back(testing::CannedModel("no-cat"));
  options.models.back().set_version(2);
  options.models.back().set_state(v1::MODEL_STATE_FAILED);
  options.models.back().set_error("wrong digest");
  return options;
}

// What a command says is what it would say if the hostile texts were spelled
// out.
TEST_F(CliTest, HostileTextsAreShownSpelledOut) {
  const std::string image = MakeImage("cat.png");
  std::vector<std::pair<std::vector<std::string>, std::string>> outcomes;
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{
           {"evaluate", "--model=no-cat", "--source-model=balanced"},
           {"evaluate", "--model=no-cat,balanced", "--goal=targeted:3"},
           {"evaluate", "--model=no-cat", "--attack=auto-attack",
            "--epsilon=0:4/255:1/255"},
           {"evaluations", "list"},
           {"evaluations", "show", "a01111"},
           {"evaluations", "records", "a01111", "--limit=3"},
           {"evaluations", "cancel", "a01111111111"},
           {"models", "list"},
           {"models", "show", "no-cat"},
           {"models", "table", "--wide"},
           {"models", "reload"},
           {"attacks", "list"},
           {"transfer", "--sources=all", "--targets=all"},
           {"server", "info"},
           {"classify", image},
           {"attack", image, "--out=" + Path("adv.png")}}) {
    for (const char* format : {"table", "csv"}) {
      outcomes.push_back({command, ""});
      outcomes.back().first.push_back(std::string("--output=") + format);
    }
  }
  StartServer(OptionsWith(kHostile));
  for (auto& [command, text] : outcomes) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    text = outcome.out + outcome.err;
  }
  StartServer(OptionsWith(Visible(kHostile)));
  for (const auto& [command, text] : outcomes) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(text, outcome.out + outcome.err) << command.front();
  }
}

TEST_F(CliTest, HostileErrorsAreShownSpelledOut) {
  const std::string hostile = kHostile;
  FakeOptions options;
  options.fail = {grpc::StatusCode::NOT_FOUND, "no " + hostile};
  StartServer(options);
  EXPECT_EQ(
      Run({"models", "list"}).err,
      "advctl: the server refuses (NOT_FOUND): no " + Visible(hostile) + "\n");
  options.fail = testing::BadRequest(
      {{"odd" + hostile, "bad" + hostile}, {"model", hostile}});
  StartServer(options);
  EXPECT_EQ(Run({"models", "list"}).err,
            "advctl: the server refuses (INVALID_ARGUMENT)\n  odd" +
                Visible(hostile) + ": bad" + Visible(hostile) +
                "\n  --model: " + Visible(hostile) + "  [model]\n");
}

TEST_F(CliTest, HostileNamesOfFilesAreShownSpelledOut) {
  const std::string name = "a\x1b[2J\n\xff.png";
  EXPECT_THAT(Run({"classify", MakeImage(name)}).out,
              HasSubstr("/a\\x1b[2J\\n\\xff.png  balanced@1\n"));
  EXPECT_THAT(Run({"classify", Path("no" + name)}).err,
              HasSubstr("/noa\\x1b[2J\\n\\xff.png: there is no such file\n"));
  EXPECT_THAT(Run({"attack", MakeImage("cat.png"), "--out=" + Path(name)}).out,
              HasSubstr("Saved " + Path("a\\x1b[2J\\n\\xff.png (the")));
}

}  // namespace
}  // namespace adv
