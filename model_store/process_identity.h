#ifndef ADV_MODEL_STORE_PROCESS_IDENTITY_H_
#define ADV_MODEL_STORE_PROCESS_IDENTITY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace adv {

// Identifies a process among those of all hosts and times. A value.
struct ProcessIdentity {
  std::string host;  // for people; two machines may have the same
  // The place in which `pid` is unique: the boot's id and the pid namespace.
  // Empty if not known.
  std::string place;
  int64_t pid = 0;
  uint64_t start = 0;  // clock ticks from the boot to its start; 0: not known
};

// The identity of a process of this host.
ProcessIdentity IdentifyProcess(pid_t pid);
ProcessIdentity IdentifyThisProcess();

// Whether that process is known to have ended: it started in the same place as
// this process and is not there any more. False if this cannot be told, as for
// processes of other hosts and containers.
bool HasEnded(const ProcessIdentity& process);

}  // namespace adv

#endif  // ADV_MODEL_STORE_PROCESS_IDENTITY_H_
