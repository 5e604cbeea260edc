// What Read says about versions that are not as they were published.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <string>

#include "model_store/model_store.h"
#include "tests/model_store/test_store.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() : store_(folder_.path()) {
    EXPECT_TRUE(store_.Publish(ExampleManifest(), ExampleFiles()).ok());
    EXPECT_TRUE(store_.Read("no-cat", 1).ok());
  }

  std::string Path(const std::string& file) const {
    return folder_ / "no-cat/1/" + file;
  }

  // Publishes what `change` makes of the manifest by force.
  void ChangeManifest(
      const std::function<void(v1::ModelManifest*)>& change) const {
    auto manifest = store_.ReadManifest("no-cat", 1);
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    change(&*manifest);
    SetBytes(Path(kManifestFile), *ManifestToJson(*manifest));
  }

  // The message of a read that must find data lost.
  std::string Loss() const {
    const absl::Status status = store_.Read("no-cat", 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return std::string(status.message());
  }

  // The same where the manifest alone tells.
  std::string ManifestLoss() const {
    const absl::Status status = store_.ReadManifest("no-cat", 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(Loss(), status.message());
    EXPECT_THAT(Loss(), StartsWith(Path(kManifestFile) + ": "));
    return std::string(status.message());
  }

  TemporaryFolder folder_;
  ModelStore store_;
};

TEST_F(DamageTest, TruncatedFile) {
  fs::resize_file(Path(kWeightsFile), 999);
  EXPECT_EQ(Loss(), Path(kWeightsFile) +
                        ": has 999 bytes, but manifest.json says 1000");
}

TEST_F(DamageTest, GrownFile) {
  fs::resize_file(Path(kWeightsFile), uint64_t{1} << 40);
  EXPECT_EQ(Loss(),
            Path(kWeightsFile) +
                ": has 1099511627776 bytes, but manifest.json says 1000");
}

TEST_F(DamageTest, EveryFlippedBit) {
  const std::string whole = BytesOf(Path(kWeightsFile));
  for (const size_t at : {0, 499, 999}) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[at] ^= static_cast<char>(1 << bit);
      SetBytes(Path(kWeightsFile), bytes);
      EXPECT_THAT(Loss(), StartsWith(Path(kWeightsFile) + ": has SHA-256 " +
                                     Sha256Hex(bytes)));
    }
  }
}

TEST_F(DamageTest, SwappedFilesOfTheSameLength) {
  fs::rename(Path(kWeightsFile), Path("x"));
  fs::rename(Path("notes.txt"), Path(kWeightsFile));
  fs::rename(Path("x"), Path("notes.txt"));
  EXPECT_THAT(Loss(), StartsWith(Path("notes.txt") + ": has SHA-256 "));
}

TEST_F(DamageTest, MissingFile) {
  fs::remove(Path(kWeightsFile));
  EXPECT_EQ(Loss(),
            Path(kWeightsFile) + ": is missing, but manifest.json lists it");
}

TEST_F(DamageTest, MissingManifest) {
  fs::remove(Path(kManifestFile));
  EXPECT_EQ(store_.Read("no-cat", 1).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_.List()->empty());
}

TEST_F(DamageTest, ExtraFile) {
  SetBytes(Path("extra\n\xff"), "x");
  EXPECT_EQ(Loss(),
            folder_ / "no-cat/1" +
                ": holds 'extra\\n\\xff', but manifest.json does not list it");
}

TEST_F(DamageTest, FolderInPlaceOfAFile) {
  fs::remove(Path("notes.txt"));
  fs::create_directory(Path("notes.txt"));
  EXPECT_EQ(Loss(), Path("notes.txt") + ": not a regular file");
}

TEST_F(DamageTest, PipeInPlaceOfAFile) {
  fs::remove(Path(kWeightsFile));
  ASSERT_EQ(::mkfifo(Path(kWeightsFile).c_str(), 0600), 0);
  EXPECT_EQ(Loss(), Path(kWeightsFile) + ": not a regular file");
}

TEST_F(DamageTest, WrongDigestInTheManifest) {
  ChangeManifest(
      [](auto* m) { m->mutable_files(1)->set_sha256(std::string(64, 'a')); });
  EXPECT_EQ(Loss(), Path(kWeightsFile) + ": has SHA-256 " +
                        Sha256Hex(ExampleFiles().at(kWeightsFile)) +
                        ", but manifest.json says " + std::string(64, 'a'));
  // The manifest alone is sound.
  EXPECT_TRUE(store_.ReadManifest("no-cat", 1).ok());
}

TEST_F(DamageTest, ManifestOfAnotherNameVersionOrSchema) {
  ChangeManifest([](auto* m) { m->set_name("dog"); });
  EXPECT_THAT(ManifestLoss(), HasSubstr("name 'dog' must be its folder's"));
  fs::remove_all(folder_ / "no-cat");
  ASSERT_TRUE(store_.Publish(ExampleManifest(), ExampleFiles()).ok());
  ChangeManifest([](auto* m) { m->set_version(2); });
  EXPECT_THAT(ManifestLoss(), HasSubstr("version 2 must be its folder's, 1"));
}

TEST_F(DamageTest, ManifestOfAnotherSchema) {
  ChangeManifest([](auto* m) { m->set_schema_version(2); });
  EXPECT_THAT(ManifestLoss(), HasSubstr("schema_version 2 must be 1"));
}

TEST_F(DamageTest, ManifestThatLeadsOutOfItsFolder) {
  SetBytes(folder_ / "secret", "secret");
  ChangeManifest([](auto* m) {
    m->mutable_files(0)->set_name("../../secret");
    m->mutable_files(0)->set_size(6);
    m->mutable_files(0)->set_sha256(Sha256Hex("secret"));
  });
  EXPECT_THAT(ManifestLoss(), HasSubstr("files[0].name '../../secret' must"));
}

TEST_F(DamageTest, ManifestWithAnUnknownField) {
  std::string json = BytesOf(Path(kManifestFile));
  json.insert(json.find('{') + 1, "\"colour\": \"red\",");
  SetBytes(Path(kManifestFile), json);
  EXPECT_THAT(ManifestLoss(), HasSubstr("colour"));
}

TEST_F(DamageTest, ManifestThatIsNoJson) {
  for (const char* bytes : {"", "not JSON", "[]",
                            "\x7f"
                            "ELF"}) {
    SetBytes(Path(kManifestFile), bytes);
    EXPECT_THAT(ManifestLoss(), HasSubstr("not the JSON of a manifest"));
  }
}

TEST_F(DamageTest, EveryTruncatedManifest) {
  const std::string json = BytesOf(Path(kManifestFile));
  const size_t end = json.rfind('}');
  for (size_t length = 0; length <= end; length += 7) {
    SetBytes(Path(kManifestFile), json.substr(0, length));
    EXPECT_EQ(store_.Read("no-cat", 1).status().code(),
              absl::StatusCode::kDataLoss)
        << length;
  }
}

TEST_F(DamageTest, ManifestOrFileTooLongToRead) {
  ChangeManifest([](auto* m) { m->mutable_files(1)->set_size(~uint64_t{0}); });
  EXPECT_THAT(ManifestLoss(), HasSubstr("size 18446744073709551615 must be"));
  fs::resize_file(Path(kManifestFile), (16 << 20) + 1);
  EXPECT_THAT(ManifestLoss(),
              HasSubstr("has 16777217 bytes, at most 16777216 are allowed"));
}

TEST_F(DamageTest, OneDamagedVersionDoesNotHideTheOthers) {
  ASSERT_TRUE(store_.Publish(ExampleManifest(), ExampleFiles('v')).ok());
  fs::remove(Path(kWeightsFile));
  EXPECT_EQ(store_.List()->size(), 2);
  EXPECT_TRUE(store_.Read("no-cat", 2).ok());
}

}  // namespace
}  // namespace adv
