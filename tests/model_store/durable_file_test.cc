#include "model_store/durable_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(FileErrorTest, MapsErrorNumbersToCodes) {
  const auto code = [](int number) {
    return FileError("f", "x", number).code();
  };
  EXPECT_EQ(code(ENOSPC), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EDQUOT), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EFBIG), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EACCES), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(EPERM), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(EROFS), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(ENOENT), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(EEXIST), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FileError("a/b", "cannot write", ENOSPC).message(),
            "a/b: cannot write: No space left on device");
}

TEST(DurableFileTest, WritesAndReplaces) {
  TemporaryFolder folder;
  const std::string path = folder / "state";
  const std::string binary("a\0b\n", 4);
  ASSERT_TRUE(WriteFileDurably(path, "a longer first content").ok());
  ASSERT_TRUE(WriteFileDurably(path, binary).ok());
  auto read = ReadFile(path, 4);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, binary);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(DurableFileTest, WritesBesideTheWorkingFolder) {
  TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_TRUE(WriteFileDurably("relative", "x").ok());
  EXPECT_TRUE(MakeFolder("one/two").ok());
  std::filesystem::current_path(before);
  EXPECT_EQ(BytesOf(folder / "relative"), "x");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "one/two"));
}

TEST(DurableFileTest, LinksAreFollowedAndStay) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "there");
  std::filesystem::create_symlink("second", folder / "first");
  std::filesystem::create_symlink("there/file", folder / "second");
  for (const char* bytes : {"new", "replaced"}) {
    ASSERT_TRUE(WriteFileDurably(folder / "first", bytes).ok());
    EXPECT_EQ(BytesOf(folder / "there/file"), bytes);
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "first"));
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "second"));
  }
  std::filesystem::create_symlink("circle", folder / "circle");
  EXPECT_FALSE(WriteFileDurably(folder / "circle", "x").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "circle"));
}

TEST(DurableFileTest, APipeIsRefusedAndStays) {
  TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const absl::Status status = WriteFileDurably(pipe, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(pipe + ": not a regular file"));
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST(DurableFileTest, AStrangersDraftIsNotWrittenThrough) {
  TemporaryFolder folder;
  SetBytes(folder / "precious", "kept");
  std::filesystem::create_symlink("precious", folder / "state.tmp");
  ASSERT_TRUE(WriteFileDurably(folder / "state", "new").ok());
  EXPECT_EQ(BytesOf(folder / "precious"), "kept");
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "state"));
  EXPECT_EQ(BytesOf(folder / "state"), "new");
}

TEST(DurableFileTest, FailedReplacementLeavesTheOldFileAndNoOther) {
  TemporaryFolder folder;
  const std::string path = folder / "state";
  std::filesystem::create_directories(path + "/child");
  const absl::Status status = WriteFileDurably(path, "new");
  EXPECT_THAT(std::string(status.message()),
              StartsWith(path + ": cannot replace: "));
  EXPECT_TRUE(std::filesystem::exists(path + "/child"));
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(DurableFileTest, MissingFolderIsNotFound) {
  TemporaryFolder folder;
  const absl::Status status = WriteFileDurably(folder / "none/file", "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("none/file.tmp: cannot create: "));
  EXPECT_EQ(SyncFolder(folder / "none").code(), absl::StatusCode::kNotFound);
}

TEST(DurableFileTest, ForbiddenPlaceIsPermissionDenied) {
  const absl::Status status = WriteFileDurably("/sys/adv-test", "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(MakeFolder("/sys/adv-test").code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(ReadFileTest, RefusesMoreBytesThanAllowed) {
  TemporaryFolder folder;
  SetBytes(folder / "five", "12345");
  EXPECT_TRUE(ReadFile(folder / "five", 5).ok());
  const absl::Status status = ReadFile(folder / "five", 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(),
            folder / "five" + ": has 5 bytes, at most 4 are allowed");
}

TEST(ReadFileTest, AllocatesNothingForAFileThatIsTooLong) {
  TemporaryFolder folder;
  SetBytes(folder / "huge", "");
  std::filesystem::resize_file(folder / "huge", uint64_t{1} << 40);
  EXPECT_EQ(ReadFile(folder / "huge", uint64_t{1} << 32).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(ReadFileTest, EmptyFileIsEmpty) {
  TemporaryFolder folder;
  SetBytes(folder / "empty", "");
  auto read = ReadFile(folder / "empty", 0);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, "");
}

TEST(ReadFileTest, RefusesWhatIsNoRegularFile) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder / "pipe", folder.path()}) {
    const absl::Status status = ReadFile(path, 100).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(status.message(), path + ": not a regular file");
  }
}

TEST(ReadFileTest, NamesAMissingFile) {
  TemporaryFolder folder;
  const absl::Status status = ReadFile(folder / "none", 100).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            folder / "none" + ": cannot open: No such file or directory");
}

TEST(MakeFolderTest, CreatesParentsAndAcceptsFolders) {
  TemporaryFolder folder;
  EXPECT_TRUE(MakeFolder(folder / "a/b/c").ok());
  EXPECT_TRUE(MakeFolder(folder / "a/b/c").ok());
  EXPECT_TRUE(MakeFolder(folder / "a/b/d/").ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/d"));
}

TEST(MakeFolderTest, AFileInTheWayIsAnError) {
  TemporaryFolder folder;
  SetBytes(folder / "file", "x");
  for (const std::string& path : {folder / "file", folder / "file/below"}) {
    const absl::Status status = MakeFolder(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith(path), HasSubstr("Not a directory")));
  }
}

}  // namespace
}  // namespace adv
