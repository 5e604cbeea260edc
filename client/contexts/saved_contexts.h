#ifndef ADV_CLIENT_CONTEXTS_SAVED_CONTEXTS_H_
#define ADV_CLIENT_CONTEXTS_SAVED_CONTEXTS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/contexts/access.h"

namespace adv {

// The servers that a user has named.
struct SavedContexts {
  std::string current;  // empty: none
  std::map<std::string, ServerAccess> by_name;

  // INVALID_ARGUMENT if there is none; the message lists the known ones.
  absl::StatusOr<ServerAccess> Get(const std::string& name) const;
};

// INVALID_ARGUMENT if a context cannot have that name.
absl::Status CheckContextName(const std::string& name);

// Where they are kept: $ADVCTL_CONFIG, else contexts.json in the folder adv of
// $XDG_CONFIG_HOME or ~/.config. FAILED_PRECONDITION if none of the variables
// and no HOME is set.
absl::StatusOr<std::string> ContextsPath();

// Reads contexts from JSON. FAILED_PRECONDITION with the place in the text if
// it is damaged, or of a newer program.
absl::StatusOr<SavedContexts> ParseContexts(absl::string_view text);
std::string ContextsText(const SavedContexts& contexts);

// Reads and writes the file at ContextsPath(). Without a file there are no
// contexts. A new file can be read by its owner alone; it appears whole, and
// its folders are made. FAILED_PRECONDITION, with the file's name, if it is
// damaged or cannot be read or written.
absl::StatusOr<SavedContexts> ReadContexts();
absl::Status WriteContexts(const SavedContexts& contexts);

}  // namespace adv

#endif  // ADV_CLIENT_CONTEXTS_SAVED_CONTEXTS_H_
