#include "server/codec/codec_images.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace adv {
namespace {

// Only for the two types that CheckForm lets pass.
int64_t BytesPerValue(v1::DataType type) {
  return type == v1::DATA_TYPE_UINT8 ? 1 : sizeof(float);
}

// {N, ...} in the order of the layout, with `n` as the first number's text.
std::string ShapeText(absl::string_view n, v1::ImageLayout layout,
                      const std::vector<int64_t>& chw) {
  const bool nhwc = layout == v1::IMAGE_LAYOUT_NHWC;
  return nhwc ? absl::StrCat("{", n, ", ", chw[1], ", ", chw[2], ", ", chw[0],
                             "}")
              : absl::StrCat("{", n, ", ", chw[0], ", ", chw[1], ", ", chw[2],
                             "}");
}

// Records what is wrong with type, layout and shape, and returns whether all
// are right. The length of `data` can be checked only if they are.
bool CheckForm(const v1::ImageBatch& batch, absl::string_view field,
               const std::vector<int64_t>& chw, FieldViolations* violations) {
  bool sound = true;
  const auto fail = [&](absl::string_view part, const std::string& text) {
    violations->Add(absl::StrCat(field, ".", part), text);
    sound = false;
  };
  if (batch.data_type() != v1::DATA_TYPE_UINT8 &&
      batch.data_type() != v1::DATA_TYPE_FLOAT32) {
    fail("data_type",
         absl::StrCat("is ", static_cast<int>(batch.data_type()),
                      "; must be DATA_TYPE_UINT8 or DATA_TYPE_FLOAT32"));
  }
  if (batch.layout() != v1::IMAGE_LAYOUT_NHWC &&
      batch.layout() != v1::IMAGE_LAYOUT_NCHW) {
    fail("layout",
         absl::StrCat("is ", static_cast<int>(batch.layout()),
                      "; must be IMAGE_LAYOUT_NHWC or IMAGE_LAYOUT_NCHW"));
    return false;  // the shape's order is not known
  }
  const auto& shape = batch.shape();
  const bool nhwc = batch.layout() == v1::IMAGE_LAYOUT_NHWC;
  const std::vector<int64_t> rest =
      nhwc ? std::vector<int64_t>{chw[1], chw[2], chw[0]} : chw;
  if (shape.size() != 4 ||
      !std::equal(rest.begin(), rest.end(), shape.begin() + 1)) {
    // A hostile shape may have millions of entries, which must not fill the
    // error.
    const int shown = std::min(shape.size(), 8);
    fail("shape",
         absl::StrCat("is {",
                      absl::StrJoin(shape.begin(), shape.begin() + shown, ", "),
                      shown < shape.size() ? ", ..." : "", "}; must be ",
                      ShapeText("N", batch.layout(), chw), " for this model"));
  }
  return sound;
}

// Checks the number of images and the bytes that follow from it. CheckForm must
// have passed, since the shape and the type are used here.
bool CheckSize(const v1::ImageBatch& batch, absl::string_view field,
               const std::vector<int64_t>& chw, const Limits& limits,
               FieldViolations* violations) {
  const int64_t count = batch.shape(0);
  if (count < 1 || count > limits.images_per_request) {
    violations->Add(absl::StrCat(field, ".shape"),
                    absl::StrCat("holds ", count, " images; must hold 1 to ",
                                 limits.images_per_request));
    return false;
  }
  // The number of images is within its limit here, so the product cannot
  // overflow.
  const int64_t bytes =
      count * chw[0] * chw[1] * chw[2] * BytesPerValue(batch.data_type());
  if (static_cast<int64_t>(batch.data().size()) != bytes) {
    violations->Add(
        absl::StrCat(field, ".data"),
        absl::StrCat("has ", batch.data().size(), " bytes; must have ", bytes,
                     " for shape ",
                     ShapeText(absl::StrCat(count), batch.layout(), chw),
                     " and ", v1::DataType_Name(batch.data_type())));
    return false;
  }
  return true;
}

// The request's bytes as a tensor in the request's own layout, without a copy.
// The batch must outlive it, and floats in it may lie at an unaligned address.
at::Tensor View(const v1::ImageBatch& batch) {
  const std::vector<int64_t> shape(batch.shape().begin(), batch.shape().end());
  const auto type =
      batch.data_type() == v1::DATA_TYPE_UINT8 ? at::kByte : at::kFloat;
  return at::from_blob(const_cast<char*>(batch.data().data()), shape, type);
}

// Records the number of pixels outside [0, 1] and the first of them. NaN fails
// every comparison, so it counts as outside, too. `pixels` are contiguous and
// in the order of the request, so the index is the one that the caller knows.
bool CheckPixels(const at::Tensor& pixels, absl::string_view field,
                 FieldViolations* violations) {
  const float* const values = pixels.data_ptr<float>();
  const auto wrong = [](float value) { return !(value >= 0 && value <= 1); };
  const float* const end = values + pixels.numel();
  const int64_t count = std::count_if(values, end, wrong);
  if (count == 0) return true;
  const float* const first = std::find_if(values, end, wrong);
  const int64_t image = (first - values) / (pixels.numel() / pixels.size(0));
  violations->Add(
      absl::StrCat(field, ".data"),
      absl::StrCat("has ", count, " values that are NaN or outside [0, 1], ",
                   "the first ", *first, " at index ", first - values,
                   " (image ", image, "); FLOAT32 pixels must be in [0, 1]"));
  return false;
}

}  // namespace

at::Tensor DecodeImages(const v1::ImageBatch& batch, absl::string_view field,
                        const std::vector<int64_t>& image_shape,
                        const Limits& limits, FieldViolations* violations) {
  if (!CheckForm(batch, field, image_shape, violations) ||
      !CheckSize(batch, field, image_shape, limits, violations)) {
    return {};
  }
  at::Tensor values = View(batch);
  if (batch.data_type() == v1::DATA_TYPE_FLOAT32) {
    // The string's bytes may lie at any address, but floats are read at aligned
    // addresses alone. Of the view only the shape is used.
    at::Tensor aligned = at::empty(values.sizes(), at::kFloat);
    std::memcpy(aligned.data_ptr(), batch.data().data(), batch.data().size());
    values = aligned;
    if (!CheckPixels(values, field, violations)) return {};
  }
  if (batch.layout() == v1::IMAGE_LAYOUT_NHWC) {
    // The permuted view has the strides of channels-last already, so the last
    // line does not copy NHWC images again.
    values = values.permute({0, 3, 1, 2});
  }
  if (batch.data_type() == v1::DATA_TYPE_UINT8) {
    // The conversion copies, so the result does not refer to the request's
    // bytes.
    values = values.to(at::kFloat).div(255);
  }
  return values.contiguous(at::MemoryFormat::ChannelsLast);
}

void EncodeImages(const at::Tensor& images, v1::ImageLayout layout,
                  v1::DataType type, v1::ImageBatch* batch) {
  at::Tensor values = images.to(at::kCPU, at::kFloat);
  if (layout == v1::IMAGE_LAYOUT_NHWC) values = values.permute({0, 2, 3, 1});
  if (type == v1::DATA_TYPE_UINT8) {
    // A pixel lies on the lattice only to within rounding, and the conversion
    // to bytes cuts. So it is rounded first.
    values = values.mul(255).round().clamp(0, 255).to(at::kByte);
  }
  // The bytes are copied in the order of memory, which must be that of the
  // layout.
  values = values.contiguous();
  batch->set_data(values.data_ptr(), values.nbytes());
  batch->mutable_shape()->Assign(values.sizes().begin(), values.sizes().end());
  batch->set_data_type(type);
  batch->set_layout(layout);
}

at::Tensor DecodeLabels(const google::protobuf::RepeatedField<int32_t>& labels,
                        absl::string_view field, int64_t count, int64_t classes,
                        FieldViolations* violations) {
  if (labels.size() != count) {
    violations->Add(field, absl::StrCat("has ", labels.size(),
                                        " entries; must have one for each of ",
                                        "the ", count, " images"));
    return {};
  }
  std::vector<int64_t> values(labels.begin(), labels.end());
  bool sound = true;
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= 0 && values[i] < classes) continue;
    violations->Add(
        absl::StrCat(field, "[", i, "]"),
        absl::StrCat("is ", values[i], "; must be 0 to ", classes - 1));
    sound = false;
  }
  return sound ? at::tensor(values, at::kLong) : at::Tensor();
}

}  // namespace adv
