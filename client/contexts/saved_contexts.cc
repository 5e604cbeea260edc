#include "client/contexts/saved_contexts.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/files/output_file.h"
#include "client/printers/json.h"
#include "nlohmann/json.hpp"

namespace adv {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// A program that would lose something of the file must refuse it.
constexpr int kSchema = 1;
constexpr std::size_t kLongestName = 63;

absl::Status FileFault(absl::string_view place, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(place, ": ", what));
}

// One member of a context, by its name.
absl::Status ReadMember(const std::string& place, const std::string& name,
                        const ordered_json& value, ServerAccess* access) {
  if (name == "tls") {
    if (!value.is_boolean()) return FileFault(place, "must be true or false");
    access->tls = value.get<bool>();
    return absl::OkStatus();
  }
  for (const AccessField& field : kAccessFields) {
    if (name != field.name) continue;
    if (!value.is_string() || value.get<std::string>().empty()) {
      return FileFault(place, "must be a text that is not empty");
    }
    access->*field.value = value.get<std::string>();
    return absl::OkStatus();
  }
  return FileFault(place, "is not known to this version of advctl");
}

absl::Status ReadContext(const std::string& name, const ordered_json& value,
                         SavedContexts* contexts) {
  const std::string place = absl::StrCat("contexts.", name);
  if (auto status = CheckContextName(name); !status.ok()) {
    return FileFault("contexts", status.message());
  }
  if (!value.is_object()) return FileFault(place, "must be an object");
  ServerAccess access;
  for (const auto& [member, said] : value.items()) {
    const std::string where = absl::StrCat(place, ".", member);
    if (auto status = ReadMember(where, member, said, &access); !status.ok()) {
      return status;
    }
  }
  if (access.server.empty()) return FileFault(place, "has no server");
  contexts->by_name[name] = std::move(access);
  return absl::OkStatus();
}

absl::StatusOr<SavedContexts> FromJson(const ordered_json& file) {
  if (!file.is_object()) return FileFault("the file", "must be an object");
  const auto schema = file.find("schema");
  if (schema == file.end() || !schema->is_number_unsigned()) {
    return FileFault("schema", "must be a number");
  }
  if (*schema != kSchema) {
    return FileFault("schema",
                     absl::StrCat("is ", schema->dump(),
                                  ", and this "
                                  "version of advctl knows ",
                                  kSchema, " alone; use a newer one"));
  }
  SavedContexts contexts;
  for (const auto& [name, value] : file.items()) {
    if (name == "schema") continue;
    if (name == "current" && value.is_string()) {
      contexts.current = value.get<std::string>();
    } else if (name == "contexts" && value.is_object()) {
      for (const auto& [context, access] : value.items()) {
        const auto status = ReadContext(context, access, &contexts);
        if (!status.ok()) return status;
      }
    } else if (name == "current" || name == "contexts") {
      return FileFault(
          name, name == "current" ? "must be a text" : "must be an object");
    } else {
      return FileFault(name, "is not known to this version of advctl");
    }
  }
  if (!contexts.current.empty() &&
      contexts.by_name.count(contexts.current) == 0) {
    return FileFault("current", absl::StrCat("there is no context '",
                                             contexts.current, "'"));
  }
  return contexts;
}

}  // namespace

absl::StatusOr<ServerAccess> SavedContexts::Get(const std::string& name) const {
  const auto found = by_name.find(name);
  if (found != by_name.end()) return found->second;
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no context '", name, "'; ",
      by_name.empty()
          ? std::string("advctl context add NAME --server=HOST:PORT makes one")
          : absl::StrCat("known are: ",
                         absl::StrJoin(by_name, ", ",
                                       [](std::string* out, const auto& one) {
                                         out->append(one.first);
                                       }))));
}

absl::Status CheckContextName(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= kLongestName &&
      absl::ascii_isalnum(static_cast<unsigned char>(name[0])) &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
               c == '_' || c == '.';
      });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is not a name of a context; allowed are 1 to ",
                   kLongestName,
                   " letters, digits, '-', '_' and '.', a letter or digit "
                   "first"));
}

absl::StatusOr<std::string> ContextsPath() {
  const auto variable = [](const char* name) -> std::string {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (std::string path = variable("ADVCTL_CONFIG"); !path.empty()) return path;
  std::string folder = variable("XDG_CONFIG_HOME");
  // The XDG specification says that a relative path is to be ignored.
  if (folder.empty() || folder[0] != '/') {
    const std::string home = variable("HOME");
    if (home.empty()) {
      return absl::FailedPreconditionError(
          "no place for contexts: set HOME, XDG_CONFIG_HOME or ADVCTL_CONFIG");
    }
    folder = absl::StrCat(home, "/.config");
  }
  return absl::StrCat(folder, "/adv/contexts.json");
}

absl::StatusOr<SavedContexts> ParseContexts(absl::string_view text) {
  // The parser names line and column, but only in an exception.
  try {
    return FromJson(ordered_json::parse(text.begin(), text.end()));
  } catch (const ordered_json::exception& error) {
    return absl::FailedPreconditionError(error.what());
  }
}

std::string ContextsText(const SavedContexts& contexts) {
  ordered_json file = {{"schema", kSchema}};
  if (!contexts.current.empty()) file["current"] = contexts.current;
  file["contexts"] = ordered_json::object();
  for (const auto& [name, access] : contexts.by_name) {
    ordered_json& context = file["contexts"][name];
    for (const AccessField& field : kAccessFields) {
      const std::string& value = access.*field.value;
      if (!value.empty()) context[field.name] = value;
    }
    if (access.tls) context["tls"] = true;
  }
  return JsonText(file);
}

absl::StatusOr<SavedContexts> ReadContexts() {
  const auto path = ContextsPath();
  if (!path.ok()) return path.status();
  std::ifstream file(*path, std::ios::binary);
  if (!file && errno == ENOENT) return SavedContexts();
  std::string text;
  // JSON holds no zero byte, so this reads all. A folder opens well and fails
  // here.
  if (!file || (!std::getline(file, text, '\0') && file.bad())) {
    return FileFault(*path,
                     absl::StrCat("cannot be read: ", std::strerror(errno)));
  }
  auto contexts = ParseContexts(text);
  if (!contexts.ok()) return FileFault(*path, contexts.status().message());
  return contexts;
}

absl::Status WriteContexts(const SavedContexts& contexts) {
  const auto path = ContextsPath();
  if (!path.ok()) return path.status();
  std::error_code error;
  const fs::path folder = fs::path(*path).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) return FileFault(folder.string(), error.message());
  const std::string text = ContextsText(contexts);
  const auto status = WriteOutput(*path, {text}, S_IRUSR | S_IWUSR);
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

}  // namespace adv
