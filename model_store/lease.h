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

// Who holds a lease: what its file says, as JSON.
struct LeaseHolder {
  std::string token;  // 32 random hexadecimal digits; decides whose it is
  ProcessIdentity process;
  std::string since;   // UTC, for people
  double seconds = 0;  // without renewal after which it is stale
};

// A holder's file; unreadable bytes give a holder without a token.
std::string EncodeLease(const LeaseHolder& holder);
LeaseHolder DecodeLease(const std::string& bytes);

// The right to train one model, of one worker among those that share a folder:
// the file <folder>/<model>.lease. A thread renews it every third of its
// length by touching the file. Another worker may take it over once it is
// stale, or at once if the holder was a process of the same place that has
// ended. Ages are differences of times that the file server gave (see
// FolderLock::Now), so the clocks of the hosts play no part.
//
// A holder that was stopped for too long may have lost its lease without
// knowing; what others could see is therefore done in WhileHeld.
//
// Thread-safe.
class Lease {
 public:
  // Takes the lease, or UNAVAILABLE: the message names the holder and how long
  // ago it was renewed. Other errors name the file. `seconds` is above 0.
  static absl::StatusOr<std::unique_ptr<Lease>> Take(const std::string& folder,
                                                     const std::string& model,
                                                     double seconds);
  // Gives it back, if it is still held.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // Whom it was taken over from and why; empty if it was free.
  const std::string& taken_over_from() const { return taken_over_from_; }

  // ABORTED once it is known to be lost; names the new holder. Costs nothing.
  absl::Status Check() const;

  // Runs `act` while nobody can take the lease over, and returns its status;
  // ABORTED, without running it, if the lease is lost.
  absl::Status WhileHeld(const std::function<absl::Status()>& act);

  // What the thread calls. An error that says nothing of the holder, as of a
  // server that does not answer, loses nothing; the next call tries again.
  absl::Status Renew();

 private:
  Lease(std::string folder, std::string path, LeaseHolder self,
        std::string taken_over_from);
  void KeepRenewing();
  // ABORTED if `bytes` are another's lease, which is remembered.
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
