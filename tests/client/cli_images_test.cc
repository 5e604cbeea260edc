// advctl's commands on image files: classify and attack.
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using testing::FakeOptions;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(CliTest, ClassifiesSeveralImages) {
  const Outcome outcome =
      Run({"classify", MakeImage("a.png"), MakeImage("b.png"), "--top-k=2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("a.png  balanced@1"));
  EXPECT_THAT(outcome.out, HasSubstr("cat"));
  EXPECT_THAT(outcome.out, HasSubstr("81.2%"));
  const auto request = server_->log().classifications.at(0);
  EXPECT_EQ(request.top_k(), 2u);
  EXPECT_EQ(request.images().data(), std::string(2 * 3072, '\x50'));
}

TEST_F(CliTest, LargeImagesGoInSeveralCalls) {
  FakeOptions options;
  options.models[0].mutable_manifest()->set_image_shape(1, 224);
  options.models[0].mutable_manifest()->set_image_shape(2, 224);
  StartServer(options);
  std::vector<std::string> command(30, MakeImage("a.png"));
  command.insert(command.begin(), "classify");
  const Outcome outcome = Run(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto requests = server_->log().classifications;
  ASSERT_EQ(requests.size(), 2u);  // of at most 4 MiB
  EXPECT_EQ(requests[0].images().shape(0), 27);
  EXPECT_EQ(requests[1].images().shape(0), 3);
}

TEST_F(CliTest, ALargeRequestThatAQueueRefusedIsRepeated) {
  FakeOptions options;
  options.refused = 1;
  options.models[0].mutable_manifest()->set_image_shape(1, 224);
  options.models[0].mutable_manifest()->set_image_shape(2, 224);
  StartServer(options);
  std::vector<std::string> command(20, MakeImage("a.png"));  // 3 MB of pixels
  command.insert(command.begin(), "classify");
  const Outcome outcome = Run(command);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(server_->log().classifications.size(), 2u);
}

TEST_F(CliTest, TellsOfEveryWrongImageAndSendsNone) {
  std::ofstream(Path("text.png")) << "hello";
  const Outcome outcome = Run(
      {"classify", MakeImage("a.png"), Path("missing.png"), Path("text.png")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("missing.png: there is no such file"));
  EXPECT_THAT(outcome.err, HasSubstr("text.png: is not a PNG or JPEG image"));
  EXPECT_TRUE(server_->log().classifications.empty());
}

TEST_F(CliTest, AttackSavesExactlyTheAttackedImage) {
  const Outcome outcome =
      Run({"attack", MakeImage("cat.png"), "--model=no-cat", "--label=cat",
           "--target=dog", "--epsilon=4/255", "--out=" + Path("adv.png")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("Fooled: the model takes this cat for dog"));
  EXPECT_THAT(outcome.out, HasSubstr("amplified 31 times"));
  const auto adversarial = ReadImage(Path("adv.png"));
  ASSERT_TRUE(adversarial.ok());
  EXPECT_EQ(adversarial->pixels, std::string(3072, '\x54'));
  const auto picture = ReadImage(Path("adv-compare.png"));
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->width, 3 * 256 + 2 * 8);
  const auto request = server_->log().attacks.at(0);
  EXPECT_TRUE(request.eight_bit());
  EXPECT_EQ(request.images().data_type(), v1::DATA_TYPE_UINT8);
  EXPECT_THAT(request.labels(), ElementsAre(3));
  EXPECT_EQ(request.goal().targeted().target_class(), 5);
}

TEST_F(CliTest, AnImageThatIsWrongAlreadyNeedsNothing) {
  FakeOptions options;
  options.wrong_from_the_start = true;
  options.attack_warnings = {"igsm: cannot reach epsilon"};
  StartServer(options);
  const std::vector<std::string> command = {"attack", MakeImage("cat.png"),
                                            "--label=cat",
                                            "--out=" + Path("adv.png")};
  const Outcome outcome = Run(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("Nothing was needed: the model takes this cat for dog "
                        "(91.0%) without any change.\nNo value was changed."));
  EXPECT_THAT(outcome.out, HasSubstr("(original, no perturbation, attacked"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("amplified")));
  EXPECT_THAT(outcome.out,
              HasSubstr("\nwarning: igsm: cannot reach epsilon\n"));
  auto as_csv = command;
  as_csv.push_back("--output=csv");
  const std::string csv = Run(as_csv).out;
  EXPECT_THAT(csv, HasSubstr(",compare,queries,warnings\n"));
  EXPECT_THAT(csv, HasSubstr(",7,igsm: cannot reach epsilon\n"));
}

TEST_F(CliTest, AttackChecksItsFilesBeforeTheCall) {
  const std::string image = MakeImage("cat.png");
  const Outcome outcome =
      Run({"attack", image, "--out=" + Path("nowhere/adv.png")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("there is no folder"));
  const Outcome label =
      Run({"attack", image, "--label=lion", "--out=" + Path("adv.png")});
  EXPECT_EQ(label.code, 2);
  EXPECT_THAT(label.err, HasSubstr("--label: 'lion' is not a class"));
  EXPECT_TRUE(server_->log().attacks.empty());
}

}  // namespace
}  // namespace adv
