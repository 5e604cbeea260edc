// The images of an evaluation on disk: asked for again, checked, written.
#include "client/images/saved_images.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "client/attacks/attack_flags.h"
#include "client/files/new_folder.h"
#include "client/images/image_file.h"
#include "client/images/safetensors_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/folder_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A safetensors file, read by its format's description alone.
struct Safetensors {
  nlohmann::json header;
  std::string data;

  explicit Safetensors(const std::string& bytes) {
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) {
      length = length << 8 | static_cast<unsigned char>(bytes.at(i));
    }
    EXPECT_EQ(length % 8, 0u);
    header = nlohmann::json::parse(bytes.substr(8, length));
    data = bytes.substr(8 + length);
  }
  std::string Bytes(const std::string& name) const {
    const std::size_t begin = header[name]["data_offsets"][0];
    const std::size_t end = header[name]["data_offsets"][1];
    return data.substr(begin, end - begin);
  }
  std::vector<std::int64_t> Integers(const std::string& name) const {
    EXPECT_EQ(header[name]["dtype"], "I64");
    const std::string bytes = Bytes(name);
    std::vector<std::int64_t> values(bytes.size() / 8);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

using SafetensorsTest = FolderTest;

TEST_F(SafetensorsTest, HasTheFormatsBytes) {
  ASSERT_TRUE(WriteSafetensors(Path("a"),
                               {{"n", "I64", {2}, Int64Bytes({1, -2})},
                                {"u", "U8", {1, 3}, "abc"},
                                {"none", "F32", {0, 4}, ""}},
                               {{"key", "\"quoted\""}})
                  .ok());
  const Safetensors file(Read(Path("a")));
  EXPECT_THAT(file.Integers("n"), ElementsAre(1, -2));
  EXPECT_EQ(file.Bytes("u"), "abc");
  EXPECT_EQ(file.header["u"]["shape"], nlohmann::json({1, 3}));
  EXPECT_EQ(file.header["none"]["dtype"], "F32");
  EXPECT_EQ(file.header["__metadata__"]["key"], "\"quoted\"");
  EXPECT_EQ(file.data.size(), 16u + 3u);
}

TEST_F(SafetensorsTest, RefusesBytesThatAreNotTheShape) {
  const auto error = [this](const Tensor& tensor) {
    return std::string(WriteSafetensors(Path("a"), {tensor}, {}).message());
  };
  EXPECT_THAT(error({"t", "F32", {2}, "abcd"}), HasSubstr("tensor t has 4"));
  EXPECT_THAT(error({"t", "U8", {-1}, ""}), HasSubstr("tensor t"));
  EXPECT_THAT(error({"t", "F16", {1}, "ab"}), HasSubstr("tensor t"));
  EXPECT_THAT(error({"t", "I64", {std::int64_t{1} << 40, 1 << 30}, ""}),
              HasSubstr("tensor t"));
  EXPECT_FALSE(fs::exists(Path("a")));
  EXPECT_THAT(std::string(WriteSafetensors(Path("no/a"), {}, {}).message()),
              HasSubstr("cannot be written: No such file"));
}

using NewFolderTest = FolderTest;

TEST_F(NewFolderTest, AppearsWholeOrNotAtAll) {
  {
    auto folder = NewFolder::Make(Path("new/"));
    ASSERT_TRUE(folder.ok()) << folder.status();
    ASSERT_TRUE((*folder)->MakeFolder("a").ok());
    EXPECT_FALSE(fs::exists(Path("new")));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  fs::create_directory(Path("empty"));
  auto folder = NewFolder::Make(Path("empty"));
  ASSERT_TRUE(folder.ok()) << folder.status();
  ASSERT_TRUE((*folder)->MakeFolder("a").ok());
  EXPECT_THAT(std::string((*folder)->MakeFolder("a").status().message()),
              HasSubstr("it is there"));
  ASSERT_TRUE((*folder)->Keep().ok());
  EXPECT_TRUE(fs::is_directory(Path("empty/a")));
}

TEST_F(NewFolderTest, SaysWhyItCannotBe) {
  std::ofstream(Path("file")) << "x";
  const auto error = [](const std::string& path) {
    return std::string(CheckNewFolder(path).message());
  };
  EXPECT_THAT(error(folder_), HasSubstr("is not empty; give a new or empty"));
  EXPECT_THAT(error(Path("file")), HasSubstr("is a file"));
  EXPECT_THAT(error(Path("no/new")), HasSubstr("there is no folder"));
  EXPECT_EQ(error(Path("new")), "");
}

constexpr int kImages = 3;

class SavedImagesTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    v1::EvaluationSpec spec;
    spec.set_model("no-cat");
    *spec.add_attacks() = *ParseAttack("fgsm");
    *spec.add_attacks() = *ParseAttack("pgd:steps=2");
    spec.add_epsilons()->set_pixels(.01);
    spec.add_epsilons()->set_levels(2);
    spec.set_norm(v1::NORM_LINF);
    spec.set_seed(7);
    spec.set_eight_bit(true);
    spec.set_success(v1::SUCCESS_RULE_LAST_ITERATE);
    spec.mutable_goal()->mutable_untargeted();
    evaluation_ = testing::CannedEvaluation(spec);
    for (int i = 0; i < kImages; ++i) {
      v1::EvaluationRecord record;
      record.set_index(10 * i);
      record.set_label(i);
      for (int r = 0; r < 4; ++r) {
        auto* attack = record.add_attacks();
        attack->set_target(i + r);
        attack->set_prediction(i + 1);
        attack->set_success(true);
        attack->set_linf(2 / 255.0);
      }
      records_.push_back(record);
    }
  }

  v1::EvaluationSpec* spec() {
    return evaluation_.mutable_report()->mutable_resolved()->mutable_spec();
  }

  // What the server says to a request for records[begin, end).
  v1::GenerateAdversarialResponse Answer(int result, int begin, int end) {
    v1::GenerateAdversarialResponse response;
    for (auto* batch :
         {response.mutable_images(), response.mutable_originals()}) {
      batch->set_data_type(v1::DATA_TYPE_UINT8);
      batch->set_layout(v1::IMAGE_LAYOUT_NHWC);
      for (const int side : {end - begin, 1, 2, 3}) batch->add_shape(side);
      const int more = batch == &response.images() ? 2 : 0;
      for (int i = begin; i < end; ++i) {
        batch->mutable_data()->append(6, static_cast<char>(40 + i + more));
      }
    }
    for (int i = begin; i < end; ++i) {
      *response.add_results()->mutable_record() = records_[i].attacks(result);
    }
    return response;
  }

  v1::Evaluation evaluation_;
  SavedImages::Records records_;
};

TEST_F(SavedImagesTest, AsksForTheSameAgain) {
  const SavedImages saved(evaluation_, records_, 3);
  const auto request = saved.Request(1, 3);
  EXPECT_EQ(request.model(), "no-cat@1");
  EXPECT_FALSE(request.has_source_model());
  EXPECT_TRUE(request.attack().has_pgd());
  EXPECT_FALSE(request.attack().pgd().has_step_size());
  EXPECT_EQ(request.epsilon().levels(), 2);
  EXPECT_EQ(request.norm(), v1::NORM_LINF);
  EXPECT_TRUE(request.goal().has_untargeted());
  EXPECT_EQ(request.success(), v1::SUCCESS_RULE_LAST_ITERATE);
  EXPECT_TRUE(request.eight_bit());
  EXPECT_EQ(request.seed(), 7u);
  EXPECT_FALSE(request.has_images());
  EXPECT_EQ(request.dataset_images().dataset(), "cifar10-sample");
  EXPECT_THAT(request.dataset_images().indices(), ElementsAre(10, 20));
  EXPECT_EQ(saved.FolderName(), "no-cat@1-pgd-2_255");
}

TEST_F(SavedImagesTest, AFixedTargetIsSentImageByImage) {
  spec()->mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_FIXED);
  spec()->mutable_goal()->mutable_targeted()->set_target_class(5);
  const auto goal = SavedImages(evaluation_, records_, 2).Request(0, 3).goal();
  EXPECT_EQ(goal.targeted().rule(), v1::TARGET_RULE_PER_IMAGE);
  EXPECT_FALSE(goal.targeted().has_target_class());
  EXPECT_THAT(goal.targeted().target_classes(), ElementsAre(2, 3, 4));
  spec()->mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_RANDOM);
  EXPECT_EQ(SavedImages(evaluation_, records_, 2)
                .Request(0, 3)
                .goal()
                .targeted()
                .rule(),
            v1::TARGET_RULE_RANDOM);
}

TEST_F(SavedImagesTest, GradientsOfAnotherModelAreAskedForAgain) {
  evaluation_.mutable_report()
      ->mutable_resolved()
      ->mutable_source_model()
      ->set_digest("other");
  spec()->set_source_model("balanced@1");
  EXPECT_EQ(SavedImages(evaluation_, records_, 0).Request(0, 1).source_model(),
            "balanced@1");
}

TEST_F(SavedImagesTest, NamesTheImageThatDiffers) {
  const auto error = [this](auto change) {
    SavedImages saved(evaluation_, records_, 0);
    auto answer = Answer(0, 0, 3);
    change(&answer);
    return std::string(saved.Add(answer).message());
  };
  using Response = v1::GenerateAdversarialResponse*;
  const auto record = [](Response r) {
    return r->mutable_results(1)->mutable_record();
  };
  EXPECT_EQ(error([](Response) {}), "");
  EXPECT_EQ(error([&](Response r) { record(r)->set_prediction(9); }),
            "image 10 came out otherwise than in the evaluation: prediction "
            "was 2 and is 9");
  EXPECT_THAT(error([&](Response r) { record(r)->set_success(false); }),
              HasSubstr("image 10 came out otherwise than in the evaluation: "
                        "success was true and is false"));
  EXPECT_THAT(error([&](Response r) { record(r)->set_linf(.007); }),
              HasSubstr("linf was"));
  EXPECT_THAT(error([](Response r) { r->clear_originals(); }),
              HasSubstr("another number of images"));
  EXPECT_THAT(error([](Response r) { *r->add_results() = r->results(0); }),
              HasSubstr("too many images"));
}

TEST_F(SavedImagesTest, WritesTensorsAndPngs) {
  SavedImages saved(evaluation_, records_, 0);
  ASSERT_TRUE(saved.Add(Answer(0, 0, 2)).ok());
  ASSERT_TRUE(saved.Add(Answer(0, 2, 3)).ok());
  ASSERT_TRUE(saved.Write(folder_).ok());
  const Safetensors file(Read(Path("images.safetensors")));
  EXPECT_EQ(file.header["images"]["dtype"], "U8");
  EXPECT_EQ(file.header["images"]["shape"], nlohmann::json({3, 1, 2, 3}));
  EXPECT_EQ(file.Bytes("images"), "******++++++,,,,,,");
  EXPECT_EQ(file.Bytes("originals"), "(((((())))))******");
  EXPECT_THAT(file.Integers("indices"), ElementsAre(0, 10, 20));
  EXPECT_THAT(file.Integers("labels"), ElementsAre(0, 1, 2));
  EXPECT_THAT(file.Integers("predictions"), ElementsAre(1, 2, 3));
  const auto metadata = file.header["__metadata__"];
  EXPECT_EQ(metadata["model"], "no-cat@1");
  EXPECT_EQ(metadata["model_digest"], std::string(64, 'c'));
  EXPECT_EQ(metadata["evaluation"], evaluation_.id());
  EXPECT_EQ(metadata["layout"], "NHWC");
  EXPECT_EQ(metadata["epsilon_pixels"], "0.01");
  EXPECT_EQ(metadata["norm"], "linf");
  EXPECT_EQ(metadata["seed"], "7");
  EXPECT_TRUE(nlohmann::json::parse(metadata["attack"].get<std::string>())
                  .contains("fgsm"));
  EXPECT_EQ(
      nlohmann::json::parse(metadata["class_names"].get<std::string>())[9],
      "truck");
  const auto png = ReadImage(Path("00010-automobile-bird.png"));
  ASSERT_TRUE(png.ok()) << png.status();
  EXPECT_EQ(png->width, 2);
  EXPECT_EQ(png->pixels, "++++++");
}

}  // namespace
}  // namespace adv
