#ifndef ADV_MODEL_STORE_LEASE_H_
#define ADV_MODEL_STORE_LEASE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "model_store/process_identity.h"

namespace adv {

// The holder of a lease, as its file says in JSON.
struct LeaseHolder {
  std::string token;  // 32 random hexadecimal digits; decides whose lease it is
  ProcessIdentity process;
  std::string since;   // UTC, for people
  double seconds = 0;  // age without renewal that makes it stale
};

// The bytes of a holder's file. Unreadable bytes decode to a holder without a
// token.
std::string EncodeLease(const LeaseHolder& holder);
LeaseHolder DecodeLease(const std::string& bytes);

// The right of one worker, among those that share a folder, to train one model:
// the file <folder>/<model>.lease. A thread renews the lease every third of its
// length by touching the file. Another worker may take it over once it is
// stale, or at once if the holder was a process of the same place that has
// ended. Ages are differences of times that the file server gave (see
// FolderLock::Now), so the clocks of the hosts play no part.
//
// A holder that stood still for too long may have lost its lease without
// knowing it. So every act that others could see happens in WhileHeld.
//
// Thread-safe.
class Lease {
 public:
  // Takes the lease. UNAVAILABLE if another worker holds it; the message names
  // the holder and the time since its last renewal. Other errors name the file.
  // `seconds` is above 0.
  static absl::StatusOr<std::unique_ptr<Lease>> Take(const std::string& folder,
                                                     const std::string& model,
                                                     double seconds);
  // Gives the lease back, if it is still held.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // The former holder and the reason for taking over; empty if the lease was
  // free.
  const std::string& taken_over_from() const { return taken_over_from_; }

  // ABORTED once the lease is known to be lost; the message names the new
  // holder. Does no input or output.
  absl::Status Check() const;

  // Runs `act` while no other worker can take the lease over, and returns its
  // status. ABORTED, without running it, if the lease is lost.
  absl::Status WhileHeld(const std::function<absl::Status()>& act);

  // Renews the lease; its own thread calls this. An error that says nothing
  // about the holder, such as that of a server that does not answer, loses
  // nothing, and the next call tries again.
  absl::Status Renew();

 private:
  Lease(std::string folder, std::string path, LeaseHolder self,
        std::string taken_over_from);
  void KeepRenewing();
  // ABORTED if `bytes` are another holder's lease. Once lost, a lease stays
  // lost.
  absl::Status CheckHolder(const absl::StatusOr<std::string>& bytes);

  const std::string folder_;
  const std::string path_;
  const LeaseHolder self_;
  const std::string taken_over_from_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;  // guarded by mutex_
  absl::Status lost_;    // guarded by mutex_; OK as long as it is held
  std::thread heartbeat_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_LEASE_H_
