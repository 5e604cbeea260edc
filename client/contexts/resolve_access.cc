#include "client/contexts/resolve_access.h"

#include <string>

namespace adv {
namespace {

constexpr char kDefaultServer[] = "localhost:50051";

}  // namespace

absl::StatusOr<ServerAccess> ResolveAccess(const AccessFlags& flags,
                                           const SavedContexts& contexts) {
  ServerAccess access;
  const std::string& name =
      flags.context.empty() ? contexts.current : flags.context;
  if (flags.UsesContext() && !name.empty()) {
    const auto context = contexts.Get(name);
    if (!context.ok()) return context.status();
    access = flags.Over(*context, flags.context_source);
  } else {
    access = flags.Over({});
  }
  if (access.server.empty()) access.server = kDefaultServer;
  return access;
}

}  // namespace adv
