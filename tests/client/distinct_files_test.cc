// Files that are one, however they are spelled.
#include "client/files/distinct_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/folder_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

class DistinctFilesTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    fs::create_directory(Path("folder"));
    fs::create_directory_symlink("folder", Path("link"));
    std::ofstream(Path("folder/a")) << "a";
    std::ofstream(Path("folder/b")) << "b";
    fs::create_symlink("a", Path("folder/to-a"));
    fs::create_hard_link(Path("folder/a"), Path("folder/also-a"));
    fs::create_symlink("new", Path("folder/to-new"));
  }

  // As two outputs, and as an output and an input.
  bool AreOne(const std::string& first, const std::string& second) {
    const auto outputs = CheckDistinct(
        {{"--out", Path(first)}, {"--compare", Path(second)}}, {});
    const auto input =
        CheckDistinct({{"--out", Path(first)}}, {{"IMAGE", Path(second)}});
    EXPECT_EQ(outputs.ok(), input.ok()) << outputs << input;
    return !outputs.ok();
  }
};

TEST_F(DistinctFilesTest, SpellingDoesNotMatter) {
  for (const char* same :
       {"folder/a", "folder/./a", "folder/../folder/a", "link/a", "folder/to-a",
        "link/to-a", "folder/also-a"}) {
    EXPECT_TRUE(AreOne("folder/a", same)) << same;
    EXPECT_TRUE(AreOne(same, "folder/a")) << same;
  }
  EXPECT_FALSE(AreOne("folder/a", "folder/b"));
}

TEST_F(DistinctFilesTest, AFileToBeMadeIsKnownByItsFolder) {
  for (const char* same :
       {"folder/new", "link/new", "folder/to-new", "link/../folder/new"}) {
    EXPECT_TRUE(AreOne("folder/new", same)) << same;
  }
  EXPECT_FALSE(AreOne("folder/new", "folder/newer"));
  EXPECT_FALSE(AreOne("folder/new", "new"));
  EXPECT_FALSE(AreOne("folder/new", "folder"));
}

TEST_F(DistinctFilesTest, PipesMixAndDevicesKeepNothing) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(AreOne("pipe", "pipe"));
  EXPECT_TRUE(
      CheckDistinct({{"--out", "/dev/null"}, {"--compare", "/dev/null"}}, {})
          .ok());
}

TEST_F(DistinctFilesTest, TheErrorNamesBoth) {
  EXPECT_EQ(CheckDistinct({{"--out", Path("x")}, {"--compare", Path("x")}}, {})
                .message(),
            "--compare: " + Path("x") +
                " is the file of --out, too; give each a file of its own");
}

}  // namespace
}  // namespace adv
