#include "client/contexts/access.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/contexts/saved_contexts.h"

namespace adv {
namespace {

constexpr char kDefaultServer[] = "localhost:50051";

void Overlay(const ServerAccess& stronger, ServerAccess* access) {
  for (const AccessField& field : kAccessFields) {
    if (!(stronger.*field.value).empty()) {
      access->*field.value = stronger.*field.value;
    }
  }
  access->tls = access->tls || stronger.tls;
}

std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

ServerAccess AccessFlags::Merged() const {
  ServerAccess access;
  for (const auto& [source, said] : given) Overlay(said, &access);
  return access;
}

bool AccessFlags::UsesContext() const {
  for (const auto& [source, said] : given) {
    if (source > context_source && !said.server.empty()) return false;
  }
  return true;
}

absl::StatusOr<ServerAccess> ResolveAccess(const AccessFlags& flags,
                                           const SavedContexts& contexts) {
  ServerAccess access;
  const std::string& name =
      flags.context.empty() ? contexts.current : flags.context;
  if (flags.UsesContext() && !name.empty()) {
    const auto context = contexts.Get(name);
    if (!context.ok()) return context.status();
    access = *context;
    for (const auto& [source, said] : flags.given) {
      if (source >= flags.context_source) Overlay(said, &access);
    }
  } else {
    access = flags.Merged();
  }
  if (access.server.empty()) access.server = kDefaultServer;
  return access;
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
