// What is there already when something is to be written.
#include "client/files/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "client/files/new_folder.h"
#include "client/images/safetensors_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/folder_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OutputFileTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    fs::create_directory(Path("there"));
    fs::create_symlink("second", Path("first"));
    fs::create_symlink("there/file", Path("second"));
  }

  // Nothing but what is meant to be there.
  long Files(const std::string& folder) {
    return std::distance(fs::directory_iterator(folder), {});
  }
};

TEST_F(OutputFileTest, APipeIsWrittenThrough) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  // With a reader, opening to write does not wait.
  const int reader = open(Path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  EXPECT_TRUE(CheckWritable(Path("pipe")).ok());
  ASSERT_TRUE(WriteOutput(Path("pipe"), {"abc", "", "de"}).ok());
  char bytes[100];
  EXPECT_EQ(read(reader, bytes, sizeof(bytes)), 5);
  EXPECT_EQ(std::string(bytes, 5), "abcde");
  ASSERT_TRUE(WriteSafetensors(Path("pipe"), {{"t", "U8", {1}, "x"}}, {}).ok());
  EXPECT_GT(read(reader, bytes, sizeof(bytes)), 8);
  close(reader);
  EXPECT_TRUE(fs::is_fifo(Path("pipe")));
}

TEST_F(OutputFileTest, LinksAreFollowedAndStay) {
  for (const char* bytes : {"new", "replaced"}) {
    EXPECT_TRUE(CheckWritable(Path("first")).ok());
    ASSERT_TRUE(WriteOutput(Path("first"), {bytes}).ok());
    EXPECT_EQ(Read(Path("there/file")), bytes);
    EXPECT_TRUE(fs::is_symlink(Path("first")));
    EXPECT_TRUE(fs::is_symlink(Path("second")));
    EXPECT_EQ(Files(Path("there")), 1);
  }
}

TEST_F(OutputFileTest, TheTargetOfALinkIsReplacedInOneStep) {
  std::ofstream(Path("there/file")) << "old";
  std::ifstream open_before(Path("there/file"));
  ASSERT_TRUE(WriteOutput(Path("first"), {"new"}).ok());
  std::string old;
  open_before >> old;
  EXPECT_EQ(old, "old");
  EXPECT_EQ(Read(Path("there/file")), "new");
}

TEST_F(OutputFileTest, AFileKeepsItsMode) {
  std::ofstream(Path("private")) << "old";
  fs::permissions(Path("private"),
                  fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(WriteOutput(Path("private"), {"new"}).ok());
  EXPECT_EQ(fs::status(Path("private")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(OutputFileTest, AStrangersDraftIsNotWrittenThrough) {
  std::ofstream(Path("precious")) << "kept";
  const std::string draft = ".part-" + std::to_string(getpid());
  fs::create_symlink("precious", Path("out" + draft));
  ASSERT_TRUE(WriteOutput(Path("out"), {"new"}).ok());
  EXPECT_EQ(Read(Path("precious")), "kept");
  EXPECT_EQ(Read(Path("out")), "new");
  EXPECT_FALSE(fs::is_symlink(Path("out")));
}

TEST_F(OutputFileTest, SaysWhatIsInTheWay) {
  const auto error = [](const std::string& path) {
    const std::string told(CheckWritable(path).message());
    EXPECT_EQ(WriteOutput(path, {"x"}).ok(), told.empty());
    return told;
  };
  EXPECT_THAT(error(Path("there")), HasSubstr("is a folder, not a file"));
  EXPECT_THAT(error(Path("no/file")), HasSubstr("there is no folder"));
  fs::create_symlink("no/file", Path("broken"));
  EXPECT_THAT(error(Path("broken")), HasSubstr("there is no folder"));
  fs::create_symlink("circle", Path("circle"));
  EXPECT_THAT(error(Path("circle")), HasSubstr("Too many levels"));
  EXPECT_TRUE(fs::is_symlink(Path("circle")));
}

TEST_F(OutputFileTest, AFolderIsMadeWhereItsLinkLeads) {
  fs::create_symlink("there/", Path("link"));  // to an empty folder
  fs::create_symlink("there/new", Path("broken"));
  for (const char* name : {"link", "broken"}) {
    const auto folder = NewFolder::Make(Path(name));
    ASSERT_TRUE(folder.ok()) << folder.status();
    std::ofstream((*folder)->draft() + "/file") << name;
    ASSERT_TRUE((*folder)->Keep().ok()) << name;
    EXPECT_TRUE(fs::is_symlink(Path(name)));
    EXPECT_EQ(Read(Path(name) + "/file"), name);
  }
}

}  // namespace
}  // namespace adv
