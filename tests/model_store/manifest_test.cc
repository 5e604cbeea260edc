#include "model_store/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "model_store/model_store.h"
#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What the store would accept as version 7 of no-cat.
v1::ModelManifest Acceptable() {
  v1::ModelManifest manifest = ExampleManifest();
  manifest.set_schema_version(1);
  manifest.set_version(7);
  for (const auto& [name, bytes] : ExampleFiles()) {
    v1::StoredFile* file = manifest.add_files();
    file->set_name(name);
    file->set_size(bytes.size());
    file->set_sha256(Sha256Hex(bytes));
  }
  return manifest;
}

// The message about an acceptable manifest after `change`.
std::string ErrorAfter(const std::function<void(v1::ModelManifest*)>& change) {
  v1::ModelManifest manifest = Acceptable();
  change(&manifest);
  const absl::Status status = CheckManifest(manifest, "no-cat", 7);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ManifestJsonTest, RoundTripKeepsEveryField) {
  v1::ModelManifest manifest = Acceptable();
  manifest.mutable_published_at()->set_seconds(1700000000);
  manifest.mutable_training()->set_stop_reason(v1::STOP_REASON_MAX_EPOCHS);
  manifest.mutable_training()->add_epochs()->set_training_loss(
      std::numeric_limits<double>::quiet_NaN());
  auto json = ManifestToJson(manifest);
  ASSERT_TRUE(json.ok()) << json.status();
  auto read = ManifestFromJson(*json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), manifest.SerializeAsString());
  EXPECT_EQ(*ManifestToJson(*read), *json);
}

TEST(ManifestJsonTest, IsForPeopleWithTheNamesOfTheProto) {
  auto json = ManifestToJson(Acceptable());
  ASSERT_TRUE(json.ok());
  EXPECT_THAT(*json, HasSubstr("\n \"schema_version\": 1,\n"));
  EXPECT_THAT(*json, HasSubstr("\"parameter_count\": \"1525738\""));
  EXPECT_THAT(*json, HasSubstr("\"seed\": \"9223372036854775808\""));
  EXPECT_THAT(*json, HasSubstr("\"horizontal_flips\": false"));
  EXPECT_THAT(*json, Not(HasSubstr("schemaVersion")));
}

TEST(ManifestJsonTest, ZeroOfAnOptionalFieldIsNotAbsence) {
  v1::ModelManifest manifest = ExampleManifest();
  EXPECT_TRUE(ManifestFromJson(*ManifestToJson(manifest))
                  ->training()
                  .has_special_label());
  manifest.mutable_training()->clear_special_label();
  EXPECT_FALSE(ManifestFromJson(*ManifestToJson(manifest))
                   ->training()
                   .has_special_label());
}

TEST(ManifestJsonTest, UnknownFieldIsAnErrorThatNamesIt) {
  for (const char* json :
       {R"({"name": "a", "colour": "red"})", R"({"training": {"colour": 1}})",
        R"({"files": [{"colour": 1}]})"}) {
    const absl::Status status = ManifestFromJson(json).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("colour"));
  }
}

TEST(ManifestJsonTest, WhatIsNoManifestIsAnError) {
  for (const char* json :
       {"", "null", "[]", "7", "\"name\"", "{", "{} {}", "{\"name\": 7",
        "{\"name\": [\"a\"]}", "{\"version\": -1}", "{\"version\": 1.5}",
        "{\"schema_version\": 4294967296}",
        "{\"training\": {\"stop_reason\": \"BOREDOM\"}}",
        "{\"published_at\": \"yesterday\"}", "\xff\xfe"}) {
    const absl::Status status = ManifestFromJson(json).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("not the JSON of a manifest"))
        << json;
  }
}

TEST(ManifestJsonTest, DeepNestingIsAnErrorNotACrash) {
  EXPECT_FALSE(ManifestFromJson(std::string(1 << 20, '[')).ok());
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"training\":";
  EXPECT_FALSE(ManifestFromJson(objects).ok());
}

TEST(ManifestJsonTest, RefusesMoreThanTheLimit) {
  const absl::Status status =
      ManifestFromJson(std::string(kMaxManifestBytes + 1, ' ')).status();
  EXPECT_EQ(status.message(),
            "manifest has 16777217 bytes, at most 16777216 are allowed");
}

TEST(CheckManifestTest, AcceptsItsOwn) {
  EXPECT_TRUE(CheckManifest(Acceptable(), "no-cat", 7).ok());
}

TEST(CheckManifestTest, RefusesAnotherSchemaNameOrVersion) {
  EXPECT_EQ(ErrorAfter([](auto* m) { m->set_schema_version(2); }),
            "schema_version 2 must be 1");
  EXPECT_EQ(ErrorAfter([](auto* m) { m->set_name("dog"); }),
            "name 'dog' must be its folder's, 'no-cat'");
  EXPECT_EQ(ErrorAfter([](auto* m) { m->set_version(8); }),
            "version 8 must be its folder's, 7");
}

TEST(CheckManifestTest, RefusesClassNamesThatAreNoTextOrThereTwice) {
  for (const char* wrong : {"", "\x1b[2J", "a\nb", "\x7f"}) {
    EXPECT_THAT(ErrorAfter([wrong](v1::ModelManifest* manifest) {
                  manifest->set_class_names(0, wrong);
                }),
                HasSubstr("class_names[0]"));
  }
  EXPECT_THAT(ErrorAfter([](v1::ModelManifest* manifest) {
                manifest->set_class_names(1, manifest->class_names(0));
              }),
              HasSubstr("class_names[1] 'airplane' is there twice"));
}

TEST(CheckManifestTest, RefusesFormatsThatNobodyReads) {
  EXPECT_THAT(
      ErrorAfter(
          [](v1::ModelManifest* manifest) { manifest->set_format("pickle"); }),
      HasSubstr("format 'pickle' must be vgg, torchscript, onnx or remote"));
  EXPECT_THAT(ErrorAfter([](v1::ModelManifest* manifest) {
                manifest->set_format("torchscript");
              }),
              HasSubstr("files must list model.pt"));
}

TEST(CheckManifestTest, RefusesFileNamesThatCouldLeaveTheFolder) {
  for (const std::string name :
       {"", ".", "..", "/etc/passwd", "../weights.safetensors", "a/b", "a\\b",
        ".hidden", "manifest.json", "new\nline", "tab\t", "caf\xc3\xa9"}) {
    EXPECT_THAT(
        ErrorAfter([&](auto* m) { m->mutable_files(0)->set_name(name); }),
        HasSubstr("files[0].name '"))
        << name;
  }
  EXPECT_FALSE(IsValidStoredFileName(std::string("a\0b", 3)));
  EXPECT_FALSE(IsValidStoredFileName(std::string(256, 'a')));
  EXPECT_TRUE(IsValidStoredFileName(std::string(255, 'a')));
}

TEST(CheckManifestTest, RefusesSizesAndDigestsOutOfRange) {
  EXPECT_EQ(ErrorAfter([](auto* m) { m->mutable_files(0)->set_size(0); }),
            "files[0].size 0 must be from 1 to 4294967296");
  EXPECT_EQ(ErrorAfter([](auto* m) {
              m->mutable_files(1)->set_size(kMaxFileBytes + 1);
            }),
            "files[1].size 4294967297 must be from 1 to 4294967296");
  for (const std::string& digest :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'),
        std::string(64, 'A'), std::string(64, 'g')}) {
    EXPECT_THAT(
        ErrorAfter([&](auto* m) { m->mutable_files(0)->set_sha256(digest); }),
        HasSubstr("files[0].sha256 '" + digest +
                  "' must be 64 lower-case hexadecimal digits"));
  }
}

TEST(CheckManifestTest, WantsTheWeightsAndEachFileOnceInOrder) {
  EXPECT_EQ(ErrorAfter([](auto* m) { m->clear_files(); }),
            "files must list weights.safetensors");
  EXPECT_THAT(
      ErrorAfter([](auto* m) { m->mutable_files()->SwapElements(0, 1); }),
      HasSubstr("files[1].name notes.txt must come after"));
  EXPECT_THAT(ErrorAfter([](auto* m) { *m->add_files() = m->files(1); }),
              HasSubstr("files[2].name weights.safetensors must come after"));
}

TEST(QuotedTest, EscapesAndCuts) {
  EXPECT_EQ(Quoted("a\n\xff"), "'a\\n\\xff'");
  EXPECT_EQ(Quoted(std::string(101, 'x')),
            "'" + std::string(100, 'x') + "...'");
}

}  // namespace
}  // namespace adv
