#include "image_file/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stb/stb_image_write.h>

#include <string>
#include <utility>
#include <vector>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Append(void* out, void* data, int size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
}

std::string Png(int width, int height, int channels,
                const std::vector<unsigned char>& values) {
  std::string bytes;
  EXPECT_NE(stbi_write_png_to_func(Append, &bytes, width, height, channels,
                                   values.data(), width * channels),
            0);
  return bytes;
}

// A JPEG whose EXIF data say no more than that.
std::string Jpeg(int width, int height, const std::vector<unsigned char>& grey,
                 int orientation) {
  std::string bytes;
  EXPECT_NE(stbi_write_jpg_to_func(Append, &bytes, width, height, 1,
                                   grey.data(), 100),
            0);
  std::string exif("Exif\0\0II*\0\x08\0\0\0", 14);  // little-endian, one entry
  exif += std::string("\1\0\x12\x01\3\0\1\0\0\0", 10);
  exif += std::string{static_cast<char>(orientation), 0, 0, 0};
  exif += std::string(4, '\0');  // no other directory
  const auto length = static_cast<char>(exif.size() + 2);
  // Right behind the mark that begins the file.
  return bytes.substr(0, 2) + "\xff\xe1" + std::string{0, length} + exif +
         bytes.substr(2);
}

std::vector<int> Values(const DecodedImage& image) {
  std::vector<int> values;
  for (const char byte : image.pixels) {
    values.push_back(static_cast<unsigned char>(byte));
  }
  return values;
}

TEST(DecodeImageTest, ColoursAndGreyAsTheFileHasThem) {
  const auto colours = DecodeImage(Png(1, 2, 3, {1, 2, 3, 4, 5, 6}), 0);
  ASSERT_TRUE(colours.ok()) << colours.status();
  EXPECT_EQ(colours->width, 1);
  EXPECT_EQ(colours->height, 2);
  EXPECT_EQ(colours->channels, 3);
  EXPECT_THAT(Values(*colours), ElementsAre(1, 2, 3, 4, 5, 6));
  const auto grey = DecodeImage(Png(2, 1, 1, {7, 200}), 0);
  EXPECT_EQ(grey->channels, 1);
  EXPECT_THAT(Values(*grey), ElementsAre(7, 200));
}

TEST(DecodeImageTest, ChannelsAsAskedFor) {
  const auto spread = DecodeImage(Png(2, 1, 1, {7, 200}), 3);
  EXPECT_THAT(Values(*spread), ElementsAre(7, 7, 7, 200, 200, 200));
  const auto grey = DecodeImage(Png(1, 1, 3, {90, 90, 90}), 1);
  EXPECT_EQ(grey->channels, 1);
  EXPECT_THAT(Values(*grey), ElementsAre(90));
}

TEST(DecodeImageTest, WhatIsTransparentLiesOnWhite) {
  const auto colours =
      DecodeImage(Png(2, 1, 4, {9, 9, 9, 0, 100, 0, 50, 127}), 0);
  EXPECT_THAT(Values(*colours), ElementsAre(255, 255, 255, 178, 128, 153));
  const auto grey = DecodeImage(Png(2, 1, 2, {9, 0, 9, 255}), 0);
  EXPECT_THAT(Values(*grey), ElementsAre(255, 9));
}

// Black but for the white corner where the picture's first row and first
// column meet, which each orientation has elsewhere, and a grey one at the end
// of the first row.
TEST(DecodeImageTest, TurnsJpegsAsTheirExifSays) {
  constexpr int kWide = 32, kHigh = 16, kCorner = 8;
  // Where the stored pixels have the picture's top left and top right corner:
  // right, bottom.
  struct Place {
    bool right, bottom;
  };
  const std::vector<std::pair<Place, Place>> corners = {
      {{false, false}, {true, false}}, {{true, false}, {false, false}},
      {{true, true}, {false, true}},   {{false, true}, {true, true}},
      {{false, false}, {false, true}}, {{false, true}, {false, false}},
      {{true, true}, {true, false}},   {{true, false}, {true, true}}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    std::vector<unsigned char> stored(kWide * kHigh, 0);
    const auto paint = [&](const Place& place, unsigned char value) {
      for (int y = 0; y < kCorner; ++y) {
        for (int x = 0; x < kCorner; ++x) {
          const int column = x + (place.right ? kWide - kCorner : 0);
          const int row = y + (place.bottom ? kHigh - kCorner : 0);
          stored[row * kWide + column] = value;
        }
      }
    };
    paint(corners[orientation - 1].first, 255);
    paint(corners[orientation - 1].second, 128);
    const auto seen = DecodeImage(Jpeg(kWide, kHigh, stored, orientation), 1);
    ASSERT_TRUE(seen.ok()) << seen.status();
    EXPECT_EQ(seen->width, orientation < 5 ? kWide : kHigh) << orientation;
    EXPECT_EQ(seen->height, orientation < 5 ? kHigh : kWide) << orientation;
    const std::vector<int> values = Values(*seen);
    EXPECT_NEAR(values.front(), 255, 4) << orientation;
    EXPECT_NEAR(values[seen->width - 1], 128, 4) << orientation;
    EXPECT_NEAR(values.back(), 0, 4) << orientation;
  }
}

TEST(DecodeImageTest, OrientationsThatAreNoneChangeNothing) {
  for (const int orientation : {0, 9}) {
    const auto seen = DecodeImage(
        Jpeg(16, 8, std::vector<unsigned char>(128, 50), orientation), 0);
    ASSERT_TRUE(seen.ok()) << seen.status();
    EXPECT_EQ(seen->width, 16);
  }
}

TEST(DecodeImageTest, SaysWhatIsWrong) {
  const auto fault = [](const std::string& bytes) {
    return std::string(DecodeImage(bytes, 0).status().message());
  };
  EXPECT_EQ(fault("GIF89a"), "is not a PNG or JPEG image");
  EXPECT_EQ(fault(""), "is not a PNG or JPEG image");
  const std::string png = Png(8, 8, 1, std::vector<unsigned char>(64, 5));
  EXPECT_THAT(fault(png.substr(0, 50)), HasSubstr("damaged"));
  // 100,000 pixels a side, which stb alone would call no image.
  std::string large = png;
  large.replace(16, 8, std::string("\0\1\x86\xa0\0\1\x86\xa0", 8));
  EXPECT_THAT(fault(large),
              AllOf(HasSubstr("100000x100000"), HasSubstr("64 million")));
}

}  // namespace
}  // namespace adv
