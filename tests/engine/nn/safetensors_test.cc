#include "engine/nn/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file of this header and this data, with the length the format wants.
std::string File(const std::string& header, const std::string& data = "") {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string Floats(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(float));
}

StateDict SomeTensors() {
  at::manual_seed(1);
  return {{"b.weight", at::randn({2, 3, 1, 2})},
          {"a.bias", at::randn({5})},
          {"scalar", at::scalar_tensor(0.5)}};
}

std::string Serialized(const StateDict& tensors, WeightPrecision precision) {
  return SerializeSafetensors(tensors, precision, {{"made", "here"}}).value();
}

TEST(SafetensorsTest, Float32RoundTripIsExact) {
  const StateDict tensors = SomeTensors();
  std::map<std::string, std::string> metadata;
  const auto parsed = ParseSafetensors(
      Serialized(tensors, WeightPrecision::kFloat32), &metadata);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(at::equal(parsed->at(name), tensor)) << name;
  }
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"made", "here"}}));
}

TEST(SafetensorsTest, Float16RoundTripRoundsOnce) {
  const StateDict tensors = SomeTensors();
  const std::string bytes = Serialized(tensors, WeightPrecision::kFloat16);
  const auto parsed = ParseSafetensors(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(parsed->at(name).scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(
        at::equal(parsed->at(name), tensor.to(at::kHalf).to(at::kFloat)))
        << name;
  }
  EXPECT_EQ(Serialized(*parsed, WeightPrecision::kFloat16), bytes);
}

TEST(SafetensorsTest, TheBytesAreThese) {
  const auto bytes = SerializeSafetensors(
      {{"b", at::tensor({3.0f}).view({1, 1})}, {"a", at::tensor({1.0f, 2.0f})}},
      WeightPrecision::kFloat32);
  ASSERT_TRUE(bytes.ok());
  std::string header =
      R"({"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]},)"
      R"("b":{"data_offsets":[8,12],"dtype":"F32","shape":[1,1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(*bytes, File(header, Floats({1, 2, 3})));
}

TEST(SafetensorsTest, MemoryFormatDoesNotMatter) {
  const at::Tensor tensor = at::rand({2, 3, 4, 4});
  EXPECT_EQ(
      Serialized({{"w", tensor}}, WeightPrecision::kFloat32),
      Serialized({{"w", tensor.contiguous(at::MemoryFormat::ChannelsLast)}},
                 WeightPrecision::kFloat32));
}

TEST(SafetensorsTest, ParsedTensorsOwnTheirMemory) {
  std::string bytes =
      Serialized({{"w", at::ones({4})}}, WeightPrecision::kFloat32);
  const StateDict parsed = ParseSafetensors(bytes).value();
  std::fill(bytes.begin(), bytes.end(), '\0');
  EXPECT_TRUE(at::equal(parsed.at("w"), at::ones({4})));
}

// bfloat16 is the upper half of a float32.
TEST(SafetensorsTest, ReadsBfloat16) {
  const std::string header =
      R"({"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})";
  const auto parsed =
      ParseSafetensors(File(header, std::string("\xc0\x3f\x40\xc0", 4)));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(at::equal(parsed->at("w"), at::tensor({1.5f, -3.0f})));
}

TEST(SafetensorsTest, ListsTensorsOfAnyDtypeWithoutTheirValues) {
  const std::string header =
      R"({"n":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
      R"("w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("packed":{"dtype":"X7","shape":[100],"data_offsets":[16,17]}})";
  const std::string file =
      File(header, Floats({1, std::numeric_limits<float>::infinity()}) +
                       std::string(9, 'n'));
  const auto entries = ListSafetensors(file);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3u);
  const SafetensorsEntry& first = entries->front();
  EXPECT_EQ(first.name, "w");
  EXPECT_EQ(first.dtype, "F32");
  EXPECT_THAT(first.shape, ElementsAre(1, 2));
  EXPECT_EQ(first.data.data(), file.data() + file.size() - 17);
  EXPECT_EQ(first.data.size(), 8u);
  EXPECT_EQ((*entries)[1].name, "n");
  EXPECT_TRUE((*entries)[1].shape.empty());
  EXPECT_EQ((*entries)[2].dtype, "X7");
  EXPECT_EQ((*entries)[2].data, "n");
  EXPECT_THAT(std::string(ReadSafetensor(first).status().message()),
              HasSubstr("w: holds a value that is not finite"));
}

TEST(SafetensorsTest, WritesNothingItWouldNotRead) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto error = [](const StateDict& tensors, WeightPrecision precision) {
    const absl::Status status =
        SerializeSafetensors(tensors, precision).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  EXPECT_THAT(
      error({{"w", at::full({2}, infinity)}}, WeightPrecision::kFloat32),
      HasSubstr("w holds a value that is not finite"));
  EXPECT_THAT(error({{"w", at::full({2}, 1e5)}}, WeightPrecision::kFloat16),
              HasSubstr("w holds a value outside [-65504, 65504]"));
  EXPECT_THAT(error({{"w", at::full({2}, 1e300, at::kDouble)}},
                    WeightPrecision::kFloat32),
              HasSubstr("the range of float32"));
  EXPECT_THAT(error({{"w", at::Tensor()}}, WeightPrecision::kFloat32),
              HasSubstr("\"w\" cannot be written"));
  EXPECT_THAT(error({{"w", at::zeros({0})}}, WeightPrecision::kFloat32),
              HasSubstr("\"w\" cannot be written"));
  EXPECT_THAT(
      error({{"__metadata__", at::zeros({1})}}, WeightPrecision::kFloat32),
      HasSubstr("not named __metadata__"));
}

struct BadFile {
  std::string name;
  std::string bytes;
  std::string message;
};

std::string Entry(const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return R"({"dtype":)" + dtype + R"(,"shape":)" + shape +
         R"(,"data_offsets":)" + offsets + "}";
}

std::string OneTensor(const std::string& entry, const std::string& data) {
  return File(R"({"w":)" + entry + "}", data);
}

std::vector<BadFile> BadFiles() {
  const std::string four = Floats({1});
  const std::string eight = Floats({1, 2});
  const std::string f32 = R"("F32")";
  const std::string first = Entry(f32, "[1]", "[0,4]");
  const std::string second = Entry(f32, "[1]", "[4,8]");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string huge_length("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
  std::string cut = OneTensor(first, four);
  cut.resize(20);
  return {
      {"Empty", "", "0 bytes, must be at least 8"},
      {"HugeLength", huge_length, "must be at most 1048576"},
      {"CutHeader", cut, "truncated"},
      {"NoJson", File("not json"), "not a JSON object"},
      {"NoObject", File("[1]"), "not a JSON object"},
      {"TrailingText", File("{}}"), "not a JSON object"},
      {"BadUtf8", File("{\"\xff\":1}"), "not a JSON object"},
      {"DuplicateName",
       File(R"({"w":)" + first + R"(,"w":)" + second + "}", eight),
       "\"w\" occurs twice"},
      {"DuplicateField",
       OneTensor(R"({"dtype":"F32","dtype":"F32","shape":[1],)"
                 R"("data_offsets":[0,4]})",
                 four),
       "\"dtype\" occurs twice"},
      {"MetadataNoObject", File(R"({"__metadata__":[]})"), "is not an object"},
      {"MetadataNumber", File(R"({"__metadata__":{"a":1}})"),
       "\"a\" is not a string"},
      {"EntryNoObject", File(R"({"w":7})"), "w: must have dtype"},
      {"EntryExtraField",
       OneTensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})",
                 four),
       "w: must have dtype"},
      {"Dtype", OneTensor(Entry(R"("I64")", "[1]", "[0,8]"), eight),
       "w: dtype is I64, must be F32, F16 or BF16"},
      {"DtypeUnknown", OneTensor(Entry(R"("X7")", "[9]", "[0,4]"), four),
       "w: dtype is X7, must be F32, F16 or BF16"},
      {"DtypeNumber", OneTensor(Entry("1", "[1]", "[0,4]"), four),
       "w: dtype must be a string"},
      {"ShapeNoList", OneTensor(Entry(f32, "1", "[0,4]"), four),
       "w: shape must be a list"},
      {"ShapeTooLong",
       OneTensor(Entry(f32, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), four),
       "at most 8 sizes"},
      {"ShapeNegative", OneTensor(Entry(f32, "[-1]", "[0,4]"), four),
       "w: sizes must be positive integers"},
      {"ShapeZero", OneTensor(Entry(f32, "[0]", "[0,0]"), four),
       "w: sizes must be positive integers"},
      {"ShapeFraction", OneTensor(Entry(f32, "[1.5]", "[0,4]"), four),
       "w: sizes must be positive integers"},
      {"ShapeOverflow",
       OneTensor(Entry(f32, "[4294967296,4294967296]", "[0,4]"), four),
       "w: shape needs more than the 1 values that the data can hold"},
      {"ShapeTooLarge", OneTensor(Entry(f32, "[2]", "[0,4]"), four),
       "w: shape needs more than the 1 values that the data can hold"},
      {"ShapeNotSpan", OneTensor(Entry(f32, "[1]", "[0,8]"), eight),
       "w: shape needs 4 bytes, data_offsets span 8"},
      {"OffsetsOne", OneTensor(Entry(f32, "[1]", "[0]"), four),
       "w: data_offsets must be two"},
      {"OffsetsNegative", OneTensor(Entry(f32, "[1]", "[-4,0]"), four),
       "w: data_offsets must be two"},
      {"OffsetsBackwards", OneTensor(Entry(f32, "[1]", "[4,0]"), four),
       "w: data_offsets [4, 0] must lie in order in [0, 4]"},
      {"OffsetsOutside", OneTensor(Entry(f32, "[1]", "[4,8]"), four),
       "w: data_offsets [4, 8] must lie in order in [0, 4]"},
      {"SpanNotOfDtype", OneTensor(Entry(R"("F64")", "[1]", "[0,4]"), eight),
       "w: shape needs 8 bytes, data_offsets span 4"},
      {"HugeShapeOfUnknownDtype",
       OneTensor(Entry(R"("X7")", "[4294967296,4294967296]", "[0,4]"), four),
       "w: shape needs more than"},
      {"Hole",
       File(R"({"v":)" + first + R"(,"w":)" + Entry(f32, "[1]", "[8,12]") + "}",
            Floats({1, 2, 3})),
       "w: begins at byte 8 of the data, must begin at 4"},
      {"Overlap",
       File(R"({"v":)" + Entry(f32, "[2]", "[0,8]") + R"(,"w":)" + second + "}",
            eight),
       "w: begins at byte 4 of the data, must begin at 8"},
      {"BytesLeft", OneTensor(first, eight), "end at byte 4 of 8 bytes"},
      {"NaN", OneTensor(first, Floats({nan})), "w: holds a value that is not"},
      {"HalfInfinity",
       OneTensor(Entry(R"("F16")", "[1]", "[0,2]"), std::string("\x00\x7c", 2)),
       "w: holds a value that is not finite"},
  };
}

class BadSafetensorsTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensorsTest, IsRefusedWithItsReason) {
  const absl::Status status = ParseSafetensors(GetParam().bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(, BadSafetensorsTest, testing::ValuesIn(BadFiles()),
                         [](const auto& test) { return test.param.name; });

TEST(SafetensorsTest, NoTruncationIsAccepted) {
  const std::string bytes =
      Serialized(SomeTensors(), WeightPrecision::kFloat32);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(ParseSafetensors({bytes.data(), length}).ok()) << length;
  }
}

TEST(SafetensorsTest, AnyChangedByteIsReadOrRefused) {
  const std::string bytes =
      Serialized(SomeTensors(), WeightPrecision::kFloat16);
  for (size_t place = 0; place < bytes.size(); ++place) {
    for (const char value : {'\0', '\xff', '"', '{', ']', '9', ','}) {
      std::string changed = bytes;
      changed[place] = value;
      const auto parsed = ParseSafetensors(changed);
      if (!parsed.ok()) {
        EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

TEST(SafetensorsTest, DeepNestingIsHarmless) {
  EXPECT_FALSE(ParseSafetensors(File(std::string(1 << 20, '['))).ok());
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += R"({"a":)";
  EXPECT_FALSE(ParseSafetensors(File(nested)).ok());
  EXPECT_FALSE(
      ParseSafetensors(File(nested + "1" + std::string(100000, '}'))).ok());
}

}  // namespace
}  // namespace adv
