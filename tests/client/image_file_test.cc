#include "client/images/image_file.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "stb/stb_image_write.h"
#include "tests/client/folder_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using ImageFileTest = FolderTest;

Image Gradient(int width, int height) {
  Image image{width, height, ""};
  for (int i = 0; i < width * height * 3; ++i) {
    image.pixels.push_back(static_cast<char>(i * 7));
  }
  return image;
}

// The pixel at (x, y) as three numbers.
std::vector<int> At(const Image& image, int x, int y) {
  std::vector<int> rgb;
  rgb.reserve(3);
  for (int c = 0; c < 3; ++c) {
    rgb.push_back(static_cast<unsigned char>(
        image.pixels[(y * image.width + x) * 3 + c]));
  }
  return rgb;
}

std::string ErrorOf(const std::string& path) {
  return std::string(ReadImage(path).status().message());
}

TEST_F(ImageFileTest, PngRoundTripKeepsEveryByte) {
  const Image image = Gradient(32, 32);
  ASSERT_TRUE(WritePng(Path("a.png"), image).ok());
  const auto read = ReadImage(Path("a.png"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->width, 32);
  EXPECT_EQ(read->pixels, image.pixels);
  EXPECT_EQ(Resize(*read, {3, 32, 32}).pixels, image.pixels);
  // Nothing but the file itself is left behind.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(ImageFileTest, LaysWhatIsTransparentOnWhiteAndSpreadsGrey) {
  const unsigned char rgba[] = {10, 20,  30, 0,   40,  50,
                                60, 255, 0,  100, 255, 51};
  ASSERT_TRUE(stbi_write_png(Path("rgba.png").c_str(), 3, 1, 4, rgba, 12));
  const auto colour = ReadImage(Path("rgba.png"));
  ASSERT_TRUE(colour.ok());
  EXPECT_EQ(At(*colour, 0, 0), (std::vector<int>{255, 255, 255}));
  EXPECT_EQ(At(*colour, 1, 0), (std::vector<int>{40, 50, 60}));
  EXPECT_EQ(At(*colour, 2, 0), (std::vector<int>{204, 224, 255}));
  const unsigned char grey[] = {7, 200};
  ASSERT_TRUE(stbi_write_png(Path("grey.png").c_str(), 2, 1, 1, grey, 2));
  const auto spread = ReadImage(Path("grey.png"));
  ASSERT_TRUE(spread.ok());
  EXPECT_EQ(At(*spread, 1, 0), (std::vector<int>{200, 200, 200}));
}

TEST_F(ImageFileTest, GreyStaysGreyForModelsThatTakeIt) {
  const unsigned char grey[] = {7, 200};
  ASSERT_TRUE(stbi_write_png(Path("grey.png").c_str(), 2, 1, 1, grey, 2));
  const auto image = ReadImage(Path("grey.png"), 1);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->channels, 1);
  EXPECT_EQ(image->pixels, "\x07\xc8");
  EXPECT_EQ(Resize(*image, {1, 2, 4}).pixels.size(), 8u);
  const auto back = FromBatch(ToBatch({*image}));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->channels, 1);
  ASSERT_TRUE(WritePng(Path("again.png"), *back).ok());
  EXPECT_EQ(ReadImage(Path("again.png"), 1)->pixels, image->pixels);
  const Comparison comparison = MakeComparison(*image, *back, 2);
  EXPECT_EQ(comparison.picture.pixels.size(), (3u * 4 + 2 * 2) * 2);
}

TEST_F(ImageFileTest, ReadsJpegAndResizes) {
  const std::vector<unsigned char> flat(100 * 60 * 3, 90);
  ASSERT_TRUE(
      stbi_write_jpg(Path("a.jpg").c_str(), 100, 60, 3, flat.data(), 95));
  const auto image = ReadImage(Path("a.jpg"));
  ASSERT_TRUE(image.ok()) << image.status();
  const Image small = Resize(*image, {3, 32, 32});
  EXPECT_EQ(small.width, 32);
  EXPECT_EQ(small.pixels.size(), 3072u);
  EXPECT_NEAR(At(small, 16, 16)[1], 90, 2);
}

TEST_F(ImageFileTest, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(ErrorOf(Path("no.png")), HasSubstr("there is no such file"));
  EXPECT_THAT(ErrorOf(Path("")), HasSubstr("is a folder"));
  std::ofstream(Path("text.png")) << "hello";
  EXPECT_THAT(ErrorOf(Path("text.png")), HasSubstr("not a PNG or JPEG"));
  std::ofstream(Path("bmp.png")) << "BM" << std::string(100, '\0');
  EXPECT_THAT(ErrorOf(Path("bmp.png")), HasSubstr("not a PNG or JPEG"));
  std::ofstream(Path("empty.png")).close();
  EXPECT_THAT(ErrorOf(Path("empty.png")), HasSubstr("not a PNG or JPEG"));
  std::ofstream(Path("big.png")).close();
  fs::resize_file(Path("big.png"), 64'000'001);
  EXPECT_THAT(ErrorOf(Path("big.png")), HasSubstr("64 MB"));
}

TEST_F(ImageFileTest, RefusesTruncatedAndGiganticImages) {
  ASSERT_TRUE(WritePng(Path("a.png"), Gradient(64, 64)).ok());
  fs::resize_file(Path("a.png"), fs::file_size(Path("a.png")) / 2);
  EXPECT_THAT(ErrorOf(Path("a.png")), HasSubstr("is damaged"));
  // A header that promises 16,000 x 16,000 pixels.
  std::ifstream in(Path("a.png"), std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  bytes[18] = bytes[22] = '\x3e';
  std::ofstream(Path("b.png"), std::ios::binary) << bytes;
  EXPECT_THAT(ErrorOf(Path("b.png")), HasSubstr("64 million"));
  // 100,000 x 100,000, which stb takes for damage; and 2^31 of them.
  for (const char* side : {"\x00\x01\x86\xa0", "\x7f\xff\xff\xff"}) {
    bytes.replace(16, 4, side, 4).replace(20, 4, side, 4);
    std::ofstream(Path("c.png"), std::ios::binary) << bytes;
    EXPECT_THAT(ErrorOf(Path("c.png")), HasSubstr("64 million"));
  }
  EXPECT_THAT(ErrorOf(Path("c.png")), HasSubstr("2147483647x2147483647"));
}

TEST(ComparisonTest, DrawsOriginalChangeAndResult) {
  Image original{2, 1, std::string("\x10\x20\x30\x40\x50\x60", 6)};
  Image adversarial = original;
  adversarial.pixels[0] += 4;  // red of the left pixel up
  adversarial.pixels[5] -= 2;  // blue of the right pixel down
  const Comparison comparison = MakeComparison(original, adversarial, 8);
  EXPECT_EQ(comparison.amplification, 127 / 4);
  const Image& picture = comparison.picture;
  ASSERT_EQ(picture.width, 3 * 16 + 2 * 8);
  ASSERT_EQ(picture.height, 8);
  const std::vector<int> white = {255, 255, 255};
  // Original, each pixel eight times as large.
  EXPECT_EQ(At(picture, 0, 0), (std::vector<int>{0x10, 0x20, 0x30}));
  EXPECT_EQ(At(picture, 7, 7), (std::vector<int>{0x10, 0x20, 0x30}));
  EXPECT_EQ(At(picture, 8, 0), (std::vector<int>{0x40, 0x50, 0x60}));
  EXPECT_EQ(At(picture, 16, 0), white);
  EXPECT_EQ(At(picture, 23, 7), white);
  // Perturbation around grey.
  EXPECT_EQ(At(picture, 24, 0), (std::vector<int>{128 + 31 * 4, 128, 128}));
  EXPECT_EQ(At(picture, 39, 7), (std::vector<int>{128, 128, 128 - 31 * 2}));
  EXPECT_EQ(At(picture, 40, 0), white);
  // Adversarial.
  EXPECT_EQ(At(picture, 48, 0), (std::vector<int>{0x14, 0x20, 0x30}));
  EXPECT_EQ(At(picture, 63, 7), (std::vector<int>{0x40, 0x50, 0x5e}));
}

TEST(ComparisonTest, NoChangeAndLargeChange) {
  const Image black{1, 1, std::string(3, '\0')};
  const Image white{1, 1, std::string(3, '\xff')};
  EXPECT_EQ(MakeComparison(black, black, 1).amplification, 1);
  const Comparison comparison = MakeComparison(black, white, 1);
  EXPECT_EQ(comparison.amplification, 1);
  EXPECT_EQ(At(comparison.picture, 2, 0), (std::vector<int>{255, 255, 255}));
}

TEST(BatchTest, BothLayoutsComeBack) {
  const Image image = Gradient(3, 2);
  v1::ImageBatch batch = ToBatch({image});
  EXPECT_EQ(FromBatch(batch)->pixels, image.pixels);
  batch.set_layout(v1::IMAGE_LAYOUT_NCHW);
  batch.clear_shape();
  for (const int size : {1, 3, 2, 3}) batch.add_shape(size);
  std::string planes;
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 6; ++i) planes.push_back(image.pixels[i * 3 + c]);
  }
  batch.set_data(planes);
  EXPECT_EQ(FromBatch(batch)->pixels, image.pixels);
}

TEST(BatchTest, RefusesWhatIsNoImage) {
  v1::ImageBatch batch = ToBatch({Gradient(3, 2)});
  batch.mutable_data()->pop_back();
  EXPECT_FALSE(FromBatch(batch).ok());
  batch = ToBatch({Gradient(3, 2)});
  batch.set_data_type(v1::DATA_TYPE_FLOAT32);
  EXPECT_FALSE(FromBatch(batch).ok());
  EXPECT_FALSE(FromBatch(v1::ImageBatch()).ok());
}

}  // namespace
}  // namespace adv
