#include "model_store/model_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Listed(const ModelStore& store) {
  std::vector<std::string> names;
  auto versions = store.List();
  EXPECT_TRUE(versions.ok()) << versions.status();
  for (const ModelVersion& model : *versions) {
    names.push_back(model.name + "@" + std::to_string(model.version));
  }
  return names;
}

TEST(ModelNameTest, ValidNames) {
  for (const std::string& name : {std::string("a"), std::string("no-cat"),
                                  std::string("x9-"), std::string(64, 'a')}) {
    EXPECT_TRUE(IsValidModelName(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("9a"), std::string("-a"), std::string("No"),
        std::string("a_b"), std::string("a.b"), std::string("a/b"),
        std::string(".."), std::string("caf\xc3\xa9"), std::string("a\0", 2),
        std::string(65, 'a')}) {
    EXPECT_FALSE(IsValidModelName(name)) << name;
  }
}

TEST(Sha256HexTest, MatchesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(Sha256Hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ModelStoreTest, PublishedModelReadsBack) {
  TemporaryFolder folder;
  const ModelStore store(folder / "models/of/mine");
  auto version = store.Publish(ExampleManifest(), ExampleFiles());
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(*version, 1);
  auto read = store.Read("no-cat", 1);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->files, ExampleFiles());
  EXPECT_EQ(read->digest(), Sha256Hex(ExampleFiles().at(kWeightsFile)));
  EXPECT_EQ(read->manifest.schema_version(), 1);
  EXPECT_EQ(read->manifest.version(), 1);
  EXPECT_GT(read->manifest.published_at().seconds(), 1600000000);
  EXPECT_EQ(read->manifest.files(0).name(), "notes.txt");
  EXPECT_EQ(read->manifest.files(1).size(), 1000);
  EXPECT_EQ(read->manifest.training().settings().seed(), uint64_t{1} << 63);
  EXPECT_TRUE(StagingIsEmpty(store.root()));
  EXPECT_EQ(store.ReadManifest("no-cat", 1)->SerializeAsString(),
            read->manifest.SerializeAsString());
}

TEST(ModelStoreTest, VersionsGrowPerName) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  for (uint64_t expected = 1; expected <= 12; ++expected) {
    auto version = store.Publish(ExampleManifest(), ExampleFiles());
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_EQ(*version, expected);
  }
  EXPECT_EQ(*store.Publish(ExampleManifest("balanced"), ExampleFiles()), 1);
  EXPECT_EQ(*store.LatestVersion("no-cat"), 12);
  EXPECT_EQ(*store.LatestVersion("balanced"), 1);
  EXPECT_THAT(
      Listed(store),
      ElementsAre("balanced@1", "no-cat@1", "no-cat@2", "no-cat@3", "no-cat@4",
                  "no-cat@5", "no-cat@6", "no-cat@7", "no-cat@8", "no-cat@9",
                  "no-cat@10", "no-cat@11", "no-cat@12"));
}

TEST(ModelStoreTest, GapsAreNotFilled) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  std::filesystem::create_directories(folder / "no-cat/41");
  EXPECT_EQ(*store.Publish(ExampleManifest(), ExampleFiles()), 42);
  EXPECT_THAT(Listed(store), ElementsAre("no-cat@42"));
}

TEST(ModelStoreTest, NoVersionAfterTheLast) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  std::filesystem::create_directories(folder / "no-cat/18446744073709551615");
  const absl::Status status =
      store.Publish(ExampleManifest(), ExampleFiles()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no version after 18446744073709551615"));
  EXPECT_TRUE(StagingIsEmpty(store.root()));
}

TEST(ModelStoreTest, WhatIsNoVersionIsNotListed) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  ASSERT_TRUE(store.Publish(ExampleManifest(), ExampleFiles()).ok());
  for (const char* name : {"no-cat/01", "no-cat/0", "no-cat/-2", "no-cat/two",
                           "no-cat/3.5", "Upper/1", ".staging/1"}) {
    std::filesystem::create_directories(folder / name);
    SetBytes(folder / name + "/manifest.json", "{}");
  }
  std::filesystem::create_directories(folder / "no-cat/9");
  SetBytes(folder / "file", "x");
  SetBytes(folder / "no-cat/7", "x");
  EXPECT_THAT(Listed(store), ElementsAre("no-cat@1"));
}

TEST(ModelStoreTest, EmptyAndMissingRoots) {
  TemporaryFolder folder;
  EXPECT_THAT(Listed(ModelStore(folder.path())), IsEmpty());
  const ModelStore missing(folder / "none");
  const absl::Status status = missing.List().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder / "none"));
  EXPECT_EQ(missing.LatestVersion("a").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST(ModelStoreTest, UnknownNameListsTheKnownOnes) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  EXPECT_EQ(store.LatestVersion("dog").status().message(),
            folder.path() + ": no model 'dog'; there are none");
  ASSERT_TRUE(store.Publish(ExampleManifest("b"), ExampleFiles()).ok());
  ASSERT_TRUE(store.Publish(ExampleManifest("a"), ExampleFiles()).ok());
  const absl::Status status = store.LatestVersion("../dog").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            folder.path() + ": no model '../dog'; there are: a, b");
}

TEST(ModelStoreTest, ReadOfWhatIsNotThere) {
  TemporaryFolder folder;
  const ModelStore store(folder / "store");
  ASSERT_TRUE(store.Publish(ExampleManifest(), ExampleFiles()).ok());
  for (const auto& [name, version] :
       {std::pair("no-cat", 0), std::pair("no-cat", 2), std::pair("dog", 1)}) {
    const absl::Status status = store.Read(name, version).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(status.message(), store.root() + "/" + name + "/" +
                                    std::to_string(version) +
                                    ": no such version is published");
  }
  // A sound version outside of the root is out of reach.
  const absl::Status status =
      ModelStore(folder / "other").Read("../store/no-cat", 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no model '../store/no-cat'; a name is 1 to 64"));
}

TEST(PublishTest, RefusesBadArgumentsBeforeItTouchesTheDisk) {
  TemporaryFolder folder;
  const ModelStore store(folder / "store");
  const auto error = [&](const std::string& name,
                         const std::map<std::string, std::string>& files) {
    auto version = store.Publish(ExampleManifest(name), files);
    EXPECT_EQ(version.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(version.status().message());
  };
  EXPECT_EQ(error("../up", ExampleFiles()),
            "name '../up' must be 1 to 64 lower-case letters, digits and "
            "dashes, starting with a letter");
  EXPECT_EQ(error("a", {}), "files must list weights.safetensors");
  EXPECT_EQ(error("a", {{kWeightsFile, ""}}),
            "files[0].size 0 must be from 1 to 4294967296");
  EXPECT_THAT(error("a", {{kWeightsFile, "w"}, {"../x", "x"}}),
              HasSubstr("files[0].name '../x' must be"));
  EXPECT_THAT(error("a", {{kWeightsFile, "w"}, {kManifestFile, "{}"}}),
              HasSubstr("files[0].name 'manifest.json' must be"));
  EXPECT_FALSE(std::filesystem::exists(folder / "store"));
}

TEST(PublishTest, RefusesAManifestThatCouldNotBeReadBack) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  v1::ModelManifest manifest = ExampleManifest();
  manifest.add_class_names(std::string(17 << 20, 'a'));
  const absl::Status status = store.Publish(manifest, ExampleFiles()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 16777216"));
  EXPECT_THAT(Listed(store), IsEmpty());
  EXPECT_TRUE(StagingIsEmpty(store.root()));
}

TEST(PublishTest, RemovesStagingFoldersOlderThanADay) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  for (const std::string name : {"dead", "alive"}) {
    std::filesystem::create_directories(folder / ".staging/" + name);
    SetBytes(folder / ".staging/" + name + "/weights.safetensors", "half");
  }
  std::filesystem::last_write_time(
      folder / ".staging/dead",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  ASSERT_TRUE(store.Publish(ExampleManifest(), ExampleFiles()).ok());
  EXPECT_FALSE(std::filesystem::exists(folder / ".staging/dead"));
  EXPECT_TRUE(std::filesystem::exists(folder / ".staging/alive"));
  EXPECT_THAT(Listed(store), ElementsAre("no-cat@1"));
}

TEST(PublishTest, PlaceThatCannotHoldAStore) {
  TemporaryFolder folder;
  SetBytes(folder / "file", "x");
  for (const auto& [root, code] :
       {std::pair(folder / "file", absl::StatusCode::kFailedPrecondition),
        std::pair(folder / "file/below", absl::StatusCode::kFailedPrecondition),
        std::pair(std::string("/sys/adv-test"),
                  absl::StatusCode::kPermissionDenied)}) {
    const ModelStore store(root);
    for (const absl::Status& status :
         {store.Publish(ExampleManifest(), ExampleFiles()).status(),
          store.CheckWritable(1)}) {
      EXPECT_EQ(status.code(), code) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(root));
    }
  }
}

TEST(PublishTest, ForbiddenFolderIsPermissionDenied) {
  TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  const ModelStore store(folder.path());
  const int end = EndOf(StartProcess([&] {
    // Root may write anywhere, so be nobody.
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
    const auto published = store.Publish(ExampleManifest(), ExampleFiles());
    if (!absl::IsPermissionDenied(published.status())) return 2;
    return absl::IsPermissionDenied(store.CheckWritable(0)) ? 0 : 3;
  }));
  EXPECT_EQ(end, 0);
}

TEST(CheckWritableTest, CreatesTheRootAndLeavesNothing) {
  TemporaryFolder folder;
  const ModelStore store(folder / "a/b");
  EXPECT_TRUE(store.CheckWritable(0).ok());
  EXPECT_TRUE(store.CheckWritable(1 << 20).ok());
  EXPECT_TRUE(StagingIsEmpty(store.root()));
  EXPECT_THAT(Listed(store), IsEmpty());
}

TEST(CheckWritableTest, MoreThanAnyDiskHoldsIsResourceExhausted) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  const uint64_t bytes = std::numeric_limits<uint64_t>::max();
  const absl::Status status = store.CheckWritable(bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("cannot reserve 18446744073709551615 bytes"));
  EXPECT_TRUE(StagingIsEmpty(store.root()));
}

}  // namespace
}  // namespace adv
