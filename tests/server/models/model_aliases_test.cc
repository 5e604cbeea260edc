#include "server/models/model_aliases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/server/models/model_registry_fixture.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class ModelAliasesTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "aliases.json"; }
  std::shared_ptr<ModelAliases> Open() const {
    auto aliases = ModelAliases::Open(path());
    EXPECT_TRUE(aliases.ok()) << aliases.status();
    return *aliases;
  }

  TemporaryFolder folder_;
};

TEST_F(ModelAliasesTest, AreThereAgainAfterARestart) {
  {
    const auto aliases = Open();
    EXPECT_THAT(aliases->List(), IsEmpty());
    EXPECT_TRUE(aliases->Set("stable", "no-cat@1").ok());
    EXPECT_TRUE(aliases->Set("canary", "no-cat@2").ok());
    EXPECT_TRUE(aliases->Set("old", "no-dog").ok());
    EXPECT_TRUE(aliases->Set("stable", "no-cat@2").ok());
    EXPECT_TRUE(aliases->Delete("old").ok());
  }
  EXPECT_THAT(Open()->List(), UnorderedElementsAre(Pair("stable", "no-cat@2"),
                                                   Pair("canary", "no-cat@2")));
  EXPECT_EQ(Open()->TargetOf("stable"), "no-cat@2");
  EXPECT_EQ(Open()->TargetOf("old"), "");
}

TEST_F(ModelAliasesTest, WhatIsNotThereCannotBeDeleted) {
  EXPECT_TRUE(absl::IsNotFound(Open()->Delete("stable")));
}

TEST_F(ModelAliasesTest, ADamagedFileIsToldAndKept) {
  for (const char* text : {"", "[]", "{\"stable\": 1}", "{\"stable\": \"\"}",
                           "{\"Stable\": \"no-cat\"}", "{\"stable\": "}) {
    std::ofstream(path()) << text;
    const absl::Status status = ModelAliases::Open(path()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path()));
  }
}

TEST_F(ModelAliasesTest, WhatCannotBeWrittenDoesNotHold) {
  const auto aliases = Open();
  ASSERT_TRUE(aliases->Set("stable", "no-cat@1").ok());
  // The new bytes go to a file of this name first.
  std::filesystem::create_directory(path() + ".tmp");
  EXPECT_TRUE(absl::IsInternal(aliases->Set("stable", "no-cat@2")));
  EXPECT_TRUE(absl::IsInternal(aliases->Delete("stable")));
  EXPECT_EQ(aliases->TargetOf("stable"), "no-cat@1");
  EXPECT_EQ(Open()->TargetOf("stable"), "no-cat@1");
}

TEST_F(ModelAliasesTest, ThereIsALimitWhichTheFileHolds) {
  ModelAliases aliases;
  for (size_t i = 0; i < kMaxModelAliases; ++i) {
    ASSERT_TRUE(aliases.Set("a" + std::to_string(i), "no-cat").ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(aliases.Set("b", "no-cat")));
  EXPECT_TRUE(aliases.Set("a0", "no-dog").ok());
}

using AliasedRegistryTest = ModelRegistryTest;

TEST_F(AliasedRegistryTest, AnAliasIsANameLikeAnyOther) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  Publish(root(), Model(2));
  ModelRegistry registry(Options());
  registry.Reload();
  ASSERT_TRUE(registry.SetAlias("stable", "no-cat@1").ok());
  // Setting it has loaded the version.
  EXPECT_EQ((*registry.BorrowLoaded("stable"))->full_name(), "no-cat@1");
  EXPECT_EQ((*registry.Borrow("stable"))->full_name(), "no-cat@1");
  EXPECT_EQ(registry.Get("stable")->version(), 1);

  const auto borrowed = *registry.Borrow("stable");
  ASSERT_TRUE(registry.SetAlias("stable", "balanced").ok());
  EXPECT_EQ((*registry.Borrow("stable"))->full_name(), "balanced@1");
  EXPECT_EQ(borrowed->full_name(), "no-cat@1");
  // It has no versions of its own.
  EXPECT_TRUE(absl::IsNotFound(registry.Borrow("stable@1").status()));
}

TEST_F(AliasedRegistryTest, ANameWithoutAVersionIsFollowed) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  ASSERT_TRUE(registry.SetAlias("newest", "no-cat").ok());
  ASSERT_TRUE(registry.SetAlias("first", "no-cat@1").ok());
  Publish(root(), Model(1));
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("newest"))->full_name(), "no-cat@2");
  EXPECT_EQ((*registry.Borrow("first"))->full_name(), "no-cat@1");
}

TEST_F(AliasedRegistryTest, AnAliasOfAnAliasTakesItsTarget) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistry registry(Options());
  registry.Reload();
  ASSERT_TRUE(registry.SetAlias("canary", "no-cat@2").ok());
  ASSERT_TRUE(registry.SetAlias("stable", "canary").ok());
  ASSERT_TRUE(registry.SetAlias("canary", "no-cat@1").ok());
  EXPECT_EQ((*registry.Borrow("stable"))->full_name(), "no-cat@2");
  EXPECT_EQ((*registry.Borrow("canary"))->full_name(), "no-cat@1");
}

TEST_F(AliasedRegistryTest, WhatCannotBeServedGetsNoAlias) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  EXPECT_TRUE(absl::IsNotFound(registry.SetAlias("stable", "no-dog")));
  EXPECT_TRUE(absl::IsNotFound(registry.SetAlias("stable", "no-cat@2")));
  EXPECT_TRUE(absl::IsInvalidArgument(registry.SetAlias("stable", "@")));
  EXPECT_THAT(registry.aliases().List(), IsEmpty());
  for (const char* alias : {"", "Stable", "stable@1", "no-cat"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(registry.CheckAlias(alias))) << alias;
  }
  EXPECT_TRUE(registry.CheckAlias("stable").ok());
}

TEST_F(AliasedRegistryTest, AModelOfItsNameDoesNotTakeItsCalls) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  ASSERT_TRUE(registry.SetAlias("balanced", "no-cat@1").ok());
  Publish(root(), Model(2));
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("balanced"))->full_name(), "no-cat@1");
  EXPECT_EQ((*registry.Borrow("balanced@1"))->full_name(), "balanced@1");
}

}  // namespace
}  // namespace adv
