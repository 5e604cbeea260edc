#include "engine/data/image_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <stb/stb_image_write.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/data/open_dataset.h"
#include "tests/engine/temp_folder.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Append(void* out, void* data, int size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
}

class ImageFolderTest : public ::testing::Test {
 protected:
  // Writes a PNG of `values`, `channels` for each pixel; returns its path.
  std::string WritePng(const std::string& name, int width, int channels,
                       const std::vector<unsigned char>& values) const {
    const int row = width * channels;
    std::string bytes;
    EXPECT_NE(stbi_write_png_to_func(Append, &bytes, width,
                                     static_cast<int>(values.size()) / row,
                                     channels, values.data(), row),
              0);
    return folder_.Write(name, bytes);
  }

  // A JPEG of one colour.
  void WriteJpeg(const std::string& name, int width, int height,
                 unsigned char value) const {
    std::string bytes;
    const std::vector<unsigned char> flat(3 * width * height, value);
    EXPECT_NE(stbi_write_jpg_to_func(Append, &bytes, width, height, 3,
                                     flat.data(), 100),
              0);
    folder_.Write(name, bytes);
  }

  std::string Fault() const {
    return std::string(ReadImageFolder(folder_.path()).status().message());
  }

  TempFolder folder_;
};

// The bytes of one image, plane by plane.
std::vector<int> Bytes(const Dataset& dataset, int64_t index) {
  const at::Tensor image = dataset.images[index].contiguous();
  const uint8_t* bytes = image.data_ptr<uint8_t>();
  return {bytes, bytes + image.numel()};
}

TEST_F(ImageFolderTest, ClassesAndImagesComeInTheOrderOfTheirNames) {
  WritePng("dog/1.png", 2, 3, {7, 8, 9, 10, 11, 12});
  WritePng("cat/b.png", 2, 3, {1, 2, 3, 4, 5, 6});
  WriteJpeg("cat/a.jpg", 2, 1, 200);
  folder_.Write("cat/.hidden", "no image");
  std::filesystem::create_directory(folder_.path() + "/eel");  // has no image
  const auto dataset = OpenDataset(folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->class_names, ElementsAre("cat", "dog", "eel"));
  EXPECT_EQ(dataset->images.sizes(), at::IntArrayRef({3, 3, 1, 2}));
  EXPECT_TRUE(dataset->labels.equal(at::tensor({0, 0, 1}, at::kLong)));
  for (const int value : Bytes(*dataset, 0)) EXPECT_NEAR(value, 200, 2);
  EXPECT_THAT(Bytes(*dataset, 1), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(Bytes(*dataset, 2), ElementsAre(7, 10, 8, 11, 9, 12));
  EXPECT_EQ(dataset->digest, DigestRecords(dataset->images, dataset->labels));
}

TEST_F(ImageFolderTest, GreyIsSpreadAmongColoursAndStaysAmongGrey) {
  const std::string colours = WritePng("cat/1.png", 1, 3, {1, 2, 3});
  WritePng("cat/2.png", 1, 1, {9});
  EXPECT_THAT(Bytes(*ReadImageFolder(folder_.path()), 1), ElementsAre(9, 9, 9));
  std::filesystem::remove(colours);
  EXPECT_EQ(ReadImageFolder(folder_.path())->images.sizes(),
            at::IntArrayRef({1, 1, 1, 1}));
  // A colour that became grey would be a loss that nobody sees.
  const std::string late = WritePng("cat/3.png", 1, 3, {1, 2, 3});
  EXPECT_THAT(Fault(), AllOf(HasSubstr(late), HasSubstr("3 x 1 x 1"),
                             HasSubstr("1 x 1 x 1")));
}

TEST_F(ImageFolderTest, WhatIsTransparentLiesOnWhite) {
  WritePng("cat/1.png", 2, 4, {9, 9, 9, 0, 100, 0, 50, 255});
  EXPECT_THAT(Bytes(*ReadImageFolder(folder_.path()), 0),
              ElementsAre(255, 100, 255, 0, 255, 50));
}

TEST_F(ImageFolderTest, TheFileThatDoesNotFitIsNamed) {
  WritePng("cat/1.png", 2, 1, {1, 2});
  const std::string other = WritePng("dog/1.png", 1, 1, {1, 2});
  EXPECT_THAT(Fault(), AllOf(HasSubstr(other), HasSubstr("1 x 2 x 1"),
                             HasSubstr("1 x 1 x 2")));
  // 100,000 pixels a side.
  std::string large = "\x89PNG\r\n\x1a\n";
  large +=
      std::string("\0\0\0\x0dIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\2\0\0\0", 21);
  folder_.Write("dog/1.png", large);
  EXPECT_THAT(Fault(), AllOf(HasSubstr(other), HasSubstr("pixels")));
}

}  // namespace
}  // namespace adv
