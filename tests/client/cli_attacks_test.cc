// The real program against the fake server: attacks and their parameters, the
// transfer matrix, saved images.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::FakeOptions;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;
using ::testing::StartsWith;

TEST_F(CliTest, AttacksAreListedAndShown) {
  const Outcome list = Run({"attacks", "list"});
  ASSERT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("mi-fgsm "));
  EXPECT_THAT(list.out, HasSubstr("smallest"));
  EXPECT_THAT(list.out, Not(HasSubstr("square")));  // this server has none
  const json data = json::parse(Run({"attacks", "list", "--output=json"}).out);
  EXPECT_EQ(data["attacks"][3]["norms"], json({"l2"}));
  EXPECT_THAT(Run({"attacks", "list", "--output=csv"}).out,
              StartsWith("attack,norms,needs,finds,targets,what it is,also "
                         "called\nfgsm,"));
  EXPECT_THAT(list.out,
              HasSubstr("\nalso called: bim = igsm, mim = mi-fgsm\n"));
  server_.reset();  // the rest needs none
  Process show({Advctl(), "attacks", "show", "auto_attack"});
  ASSERT_EQ(show.Wait(), 0) << show.err();
  EXPECT_THAT(show.out(), HasSubstr("attacks joined by +"));
  Process csv({Advctl(), "attacks", "show", "pgd", "--output=csv"});
  ASSERT_EQ(csv.Wait(), 0) << csv.err();
  EXPECT_THAT(csv.out(), HasSubstr("\nrestarts,count,1,1 to 100,"));
  Process data_of({Advctl(), "attacks", "show", "apgd", "--output=json"});
  ASSERT_EQ(data_of.Wait(), 0) << data_of.err();
  EXPECT_EQ(json::parse(data_of.out())["parameters"][0]["type"],
            "ce, dlr, targeted-dlr");
  Process alias({Advctl(), "attacks", "show", "fab-t"});
  ASSERT_EQ(alias.Wait(), 0) << alias.err();
  EXPECT_THAT(alias.out(), HasSubstr("also called  fab-t (target-classes=9)"));
  Process wrong({Advctl(), "attacks", "show", "pgdd"});
  EXPECT_EQ(wrong.Wait(), 2);
  EXPECT_THAT(wrong.err(), HasSubstr("'pgdd' is not an attack; known are"));
}

TEST_F(CliTest, ParametersOfAttacksArrive) {
  const Outcome outcome =
      Run({"evaluate", "--model=no-cat", "--norm=l2", "--epsilon=0.5,2",
           "--attack=pgd:steps=20:restarts=5,auto-attack:members=apgd+square"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto spec = server_->log().evaluations.at(0).spec();
  EXPECT_EQ(spec.norm(), v1::NORM_L2);
  EXPECT_EQ(spec.epsilons(1).pixels(), 2);
  EXPECT_EQ(spec.attacks(0).pgd().restarts(), 5u);
  EXPECT_EQ(spec.attacks(1).auto_attack().members_size(), 2);
  EXPECT_THAT(outcome.out, HasSubstr("epsilon in L2"));
  EXPECT_THAT(outcome.out, HasSubstr("20 steps, 5 restarts"));
  EXPECT_THAT(outcome.out, HasSubstr("robust after"));
}

TEST_F(CliTest, OneImageTakesNormAndSuccessRule) {
  const std::string image = MakeImage("cat.png");
  const Outcome outcome =
      Run({"attack", image, "--attack=carlini-wagner:steps=50", "--success=any",
           "--out=" + Path("adv.png")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto request = server_->log().attacks.at(0);
  EXPECT_EQ(request.epsilon().pixels(), .5);
  EXPECT_EQ(request.norm(), v1::NORM_UNSPECIFIED);
  EXPECT_EQ(request.success(), v1::SUCCESS_RULE_ANY_ITERATE);
  EXPECT_EQ(request.attack().carlini_wagner().steps(), 50u);
  const Outcome wrong = Run({"attack", image, "--norm=l2", "--attack=igsm",
                             "--out=" + Path("adv.png")});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--norm: igsm does not have l2"));
}

TEST_F(CliTest, WrongUsesOfTheNewFlagsSendNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"evaluate", "--model=a", "--attack=pgd:foo=1"}, "no parameter 'foo'"},
      {{"evaluate", "--model=a", "--norm=l3"}, "--norm: 'l3' is not a norm"},
      {{"transfer", "--sources=a"}, "--targets is required"},
      {{"transfer", "--sources=a", "--targets=b", "--attack=fgsm,igsm"},
       "--attack: a matrix is of one attack"},
      {{"transfer", "--sources=a", "--targets=b", "--epsilon=0.1,0.2"},
       "--epsilon: a matrix is of one epsilon"},
      {{"transfer", "--sources=a,all", "--targets=b"}, "--sources: all stands"},
      {{"transfer", "--sources=a", "--targets=b", "--measure=x"},
       "--measure: 'x' is not a measure"},
      {{"transfer", "--sources=a", "--targets=b", "--success=any"},
       "--success"},
  };
  for (const auto& [arguments, message] : wrong) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 2) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  }
  EXPECT_TRUE(server_->log().evaluations.empty());
}

TEST_F(CliTest, TransferMeasuresEveryPair) {
  const Outcome outcome = Run({"transfer", "--sources=no-cat", "--targets=all",
                               "--samples=100", "--seed=3", "--eight-bit"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("All classes: robust accuracy"));
  EXPECT_THAT(outcome.out, HasSubstr("otherwise"));
  const auto asked = server_->log().evaluations;
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].spec().model(), "balanced");
  EXPECT_EQ(asked[0].spec().source_model(), "no-cat");
  EXPECT_EQ(asked[1].spec().model(), "no-cat");
  EXPECT_FALSE(asked[1].spec().has_source_model());
  EXPECT_EQ(asked[0].spec().epsilons(0).pixels(), .01);
  EXPECT_EQ(asked[0].spec().samples(), 100u);
  EXPECT_EQ(asked[0].spec().seed(), 3u);
  EXPECT_TRUE(asked[0].spec().eight_bit());
  EXPECT_EQ(asked[0].spec().success(), v1::SUCCESS_RULE_LAST_ITERATE);
  EXPECT_FALSE(asked[0].cancel_on_disconnect());
}

TEST_F(CliTest, TransferForPrograms) {
  const std::vector<std::string> command = {"transfer", "--sources=all",
                                            "--targets=all"};
  auto with = [&](const std::string& format) {
    auto arguments = command;
    arguments.push_back("--output=" + format);
    return Run(arguments).out;
  };
  const std::string csv = with("csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 11);
  EXPECT_EQ(json::parse(with("json"))["pairs"].size(), 4u);
}

TEST_F(CliTest, TransferDetachesLikeAnEvaluation) {
  FakeOptions options;
  options.hold_evaluations = true;
  StartServer(options);
  Process process(
      Command({"-v", "transfer", "--sources=no-cat", "--targets=balanced"}));
  ASSERT_TRUE(process.WaitForError("evaluation b0"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("Detached; the evaluation goes on"));
  EXPECT_THAT(process.err(), HasSubstr("run the same command again"));
}

TEST_F(CliTest, AnImageGoesThroughAPipeThatStaysOne) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const int reader = open(Path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const Outcome outcome =
      Run({"attack", MakeImage("cat.png"), "--out=" + Path("pipe")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  char bytes[8] = {};
  EXPECT_EQ(read(reader, bytes, sizeof(bytes)), 8);
  EXPECT_EQ(std::string(bytes + 1, 3), "PNG");
  close(reader);
  EXPECT_TRUE(fs::is_fifo(Path("pipe")));
}

TEST_F(CliTest, NoOutputIsAnotherFileOfTheCommand) {
  const std::string image = MakeImage("cat.png");
  const std::string bytes = Read(image);
  const std::vector<std::vector<std::string>> wrong = {
      {"--out=" + image},
      {"--out=" + Path("./cat.png")},
      {"--out=" + Path("b.png"), "--compare=" + Path("./b.png")},
      {"--out=" + Path("b.png"), "--compare=" + image}};
  for (std::vector<std::string> arguments : wrong) {
    arguments.insert(arguments.begin(), {"attack", image});
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("give each a file of its own"));
  }
  // The picture beside the image has a name that nobody typed.
  const std::string taken = MakeImage("dog-compare.png");
  const Outcome outcome = Run({"attack", taken, "--out=" + Path("dog.png")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--compare: "));
  EXPECT_EQ(Read(image), bytes);
  EXPECT_TRUE(server_->log().attacks.empty());
}

TEST_F(CliTest, NoOutputIsWhereStandardOutputGoes) {
  const std::string image = MakeImage("cat.png");
  Process process({"/bin/sh", "-c",
                   Advctl() + " --server=" + server_->address() + " attack " +
                       image + " --out=" + Path("b.png") + " > " +
                       Path("b.png")});
  EXPECT_EQ(process.Wait(), 2);
  EXPECT_THAT(process.err(), HasSubstr("is the file of standard output"));
}

class SaveTest : public CliTest {
 protected:
  void Start(FakeOptions options) {
    options.records = 150;
    StartServer(options);
  }
  Outcome Save(std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--model=no-cat", "--attack=fgsm",
                               "--epsilon=0.01", "--save=" + Path("images")});
    return Run(more);
  }
};

TEST_F(SaveTest, SavesTensorsAndEightBitPngs) {
  Start({});
  const Outcome outcome = Save({"--eight-bit"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Saved 150 images to"));
  const fs::path folder = Path("images/no-cat@1-fgsm-0.01");
  EXPECT_TRUE(fs::exists(folder / "images.safetensors"));
  const auto png = ReadImage(folder / "00149-truck-dog.png");
  ASSERT_TRUE(png.ok()) << png.status();
  EXPECT_EQ(png->pixels, std::string(48, static_cast<char>(151)));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 151);
  const auto requests = server_->log().attacks;
  ASSERT_EQ(requests.size(), 2u);  // 128 and the rest
  EXPECT_EQ(requests[0].dataset_images().indices_size(), 128);
  // Nothing but the images is left.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(SaveTest, KeepsToTheServersLimitAndLeavesProgramsTheirOutput) {
  FakeOptions options;
  options.images_per_request = 60;
  Start(options);
  const Outcome outcome = Save({"--output=csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(server_->log().attacks.size(), 3u);
  EXPECT_THAT(outcome.out, Not(HasSubstr("Saved")));
  EXPECT_THAT(outcome.err, HasSubstr("Saved 150 images"));
  // Floats are no PNGs.
  const fs::path folder = Path("images/no-cat@1-fgsm-0.01");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
}

TEST_F(SaveTest, LargeImagesComeInMoreAnswers) {
  FakeOptions options;
  options.models[1].mutable_manifest()->set_image_shape(1, 512);
  options.models[1].mutable_manifest()->set_image_shape(2, 512);
  Start(options);
  const Outcome outcome = Save({});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto requests = server_->log().attacks;
  ASSERT_EQ(requests.size(), 9u);  // of at most 64 MiB
  EXPECT_EQ(requests[0].dataset_images().indices_size(), 17);
}

TEST_F(SaveTest, SavesNothingIfAnImageDiffers) {
  FakeOptions options;
  options.odd_image = 140;
  Start(options);
  const Outcome outcome = Save({});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("image 140 came out otherwise"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(SaveTest, ChecksTheFolderBeforeTheEvaluation) {
  Start({});
  fs::create_directory(Path("images"));
  std::ofstream(Path("images/note")) << "mine";
  const Outcome outcome = Save({});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("is not empty; give a new or empty"));
  EXPECT_TRUE(server_->log().evaluations.empty());
}

}  // namespace
}  // namespace adv
