#ifndef ADV_CLIENT_CONTEXTS_RESOLVE_ACCESS_H_
#define ADV_CLIENT_CONTEXTS_RESOLVE_ACCESS_H_

#include "absl/status/statusor.h"
#include "client/contexts/access.h"
#include "client/contexts/saved_contexts.h"

namespace adv {

// The access of a call. A context counts as if all of it were said where its
// name is: it hides what weaker sources say, and stronger ones replace single
// fields. Without any address it is localhost:50051. INVALID_ARGUMENT if there
// is no context of that name; the message lists the known ones.
absl::StatusOr<ServerAccess> ResolveAccess(const AccessFlags& flags,
                                           const SavedContexts& contexts);

}  // namespace adv

#endif  // ADV_CLIENT_CONTEXTS_RESOLVE_ACCESS_H_
