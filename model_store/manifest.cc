#include "model_store/manifest.h"

#include <absl/status/statusor.h>
#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <set>
#include <string>

#include "model_store/names.h"

namespace adv {
namespace {

// Lower case alone, so that digests can be compared as texts.
bool IsLowerHex(char c) {
  return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
}

// The message begins with the field; the caller puts the file in front.
absl::Status CheckStoredFile(const v1::StoredFile& file) {
  if (!IsValidStoredFileName(file.name())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "name ", Quoted(file.name()),
        " must be 1 to 255 letters, digits, '.', '-' or '_', not start with "
        "'.' and not be ",
        kManifestFile));
  }
  if (file.size() < 1 || file.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "size ", file.size(), " must be from 1 to ", kMaxFileBytes));
  }
  if (file.sha256().size() != 64 ||
      !std::all_of(file.sha256().begin(), file.sha256().end(), IsLowerHex)) {
    return absl::InvalidArgumentError(
        absl::StrCat("sha256 ", Quoted(file.sha256()),
                     " must be 64 lower-case hexadecimal digits"));
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const v1::ModelManifest& manifest) {
  const std::string main = MainFile(manifest.format());
  if (main.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("format ", Quoted(manifest.format()),
                     " must be vgg, torchscript, onnx or remote"));
  }
  bool has_main = false;
  for (int i = 0; i < manifest.files_size(); ++i) {
    const v1::StoredFile& file = manifest.files(i);
    absl::Status status = CheckStoredFile(file);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("files[", i, "].", status.message()));
    }
    // One order makes a manifest's bytes a function of its content, and shows a
    // name that is there twice.
    if (i > 0 && manifest.files(i - 1).name() >= file.name()) {
      return absl::InvalidArgumentError(
          absl::StrCat("files[", i, "].name ", file.name(), " must come after ",
                       manifest.files(i - 1).name(),
                       ": files are in name order, each once"));
    }
    has_main = has_main || file.name() == main;
  }
  // A version without it has nothing to load and no digest.
  if (!has_main) {
    return absl::InvalidArgumentError(absl::StrCat("files must list ", main));
  }
  return absl::OkStatus();
}

// Class names go to terminals and into other programs' files, so they must not
// hold control characters.
absl::Status CheckClassNames(const v1::ModelManifest& manifest) {
  std::set<std::string> seen;
  for (int i = 0; i < manifest.class_names_size(); ++i) {
    const std::string& name = manifest.class_names(i);
    const auto fault = [&](absl::string_view rule) {
      return absl::InvalidArgumentError(
          absl::StrCat("class_names[", i, "] ", Quoted(name), rule));
    };
    if (name.empty() || std::any_of(name.begin(), name.end(), [](char c) {
          return absl::ascii_iscntrl(static_cast<unsigned char>(c));
        })) {
      return fault(" must be text without control characters");
    }
    if (!seen.insert(name).second) return fault(" is there twice");
  }
  return absl::OkStatus();
}

}  // namespace

std::string Quoted(absl::string_view bytes) {
  constexpr size_t kLongest = 100;
  return absl::StrCat("'", absl::CHexEscape(bytes.substr(0, kLongest)),
                      bytes.size() > kLongest ? "...'" : "'");
}

absl::Status CheckManifest(const v1::ModelManifest& manifest,
                           absl::string_view name, uint64_t version) {
  if (manifest.schema_version() != kManifestSchemaVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema_version ", manifest.schema_version(), " must be ",
                     kManifestSchemaVersion));
  }
  // Name and version stand in the folder's path, too. A copied or renamed
  // folder shows here.
  if (manifest.name() != std::string(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("name ", Quoted(manifest.name()),
                     " must be its folder's, ", Quoted(name)));
  }
  if (!IsValidModelName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("name ", Quoted(name), " must be ", kModelNameRule));
  }
  if (manifest.version() != version) {
    return absl::InvalidArgumentError(absl::StrCat(
        "version ", manifest.version(), " must be its folder's, ", version));
  }
  absl::Status status = CheckClassNames(manifest);
  return status.ok() ? CheckFiles(manifest) : status;
}

absl::StatusOr<std::string> ManifestToJson(const v1::ModelManifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  // JSON's usual form would turn schema_version into schemaVersion.
  options.preserve_proto_field_names = true;
  // A manifest is a record: it says "false" and 0 as well.
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(manifest, &json, options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("manifest cannot be JSON: ", status.ToString()));
  }
  return json;
}

absl::StatusOr<v1::ModelManifest> ManifestFromJson(absl::string_view json) {
  if (json.size() > kMaxManifestBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("manifest has ", json.size(), " bytes, at most ",
                     kMaxManifestBytes, " are allowed"));
  }
  v1::ModelManifest manifest;
  google::protobuf::util::JsonParseOptions options;
  // A newer program may have written a field that changes what the others mean.
  // Better refuse the version than drop the field.
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      std::string(json), &manifest, options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "not the JSON of a manifest: ", Quoted(std::string(status.message()))));
  }
  return manifest;
}

}  // namespace adv
