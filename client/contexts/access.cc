#include "client/contexts/access.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace adv {
namespace {

std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

AccessFlags AccessFlags::To(std::string address) {
  AccessFlags flags;
  flags.given[FlagSource::kCommandLine].server = std::move(address);
  return flags;
}

ServerAccess AccessFlags::Over(ServerAccess access, FlagSource weakest) const {
  for (const auto& [source, said] : given) {
    if (source < weakest) continue;
    for (const AccessField& field : kAccessFields) {
      const std::string& value = said.*field.value;
      if (!value.empty()) access.*field.value = value;
    }
    access.tls = access.tls || said.tls;
  }
  return access;
}

bool AccessFlags::UsesContext() const {
  return std::all_of(given.begin(), given.end(), [this](const auto& one) {
    return one.first <= context_source || one.second.server.empty();
  });
}

ServerAccess Absolute(ServerAccess access) {
  for (const AccessField& field : kAccessFields) {
    std::string& value = access.*field.value;
    if (field.is_file && !value.empty()) value = AbsolutePath(value);
  }
  absl::string_view socket = access.server;
  if (absl::ConsumePrefix(&socket, "unix:") && !absl::StartsWith(socket, "/")) {
    access.server = absl::StrCat("unix:", AbsolutePath(std::string(socket)));
  }
  return access;
}

}  // namespace adv
