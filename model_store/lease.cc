#include "model_store/lease.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "model_store/durable_file.h"
#include "model_store/folder_lock.h"

namespace adv {
namespace {

// Far more than a lease has; bounds what a damaged file can cost.
constexpr uint64_t kMaxLeaseBytes = 65536;

// Tells two leases apart even if the same process took both.
absl::StatusOr<std::string> RandomToken() {
  char bytes[16];
  if (::getentropy(bytes, sizeof(bytes)) != 0) {
    return absl::ErrnoToStatus(errno, "no random bytes for a lease");
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes)));
}

// The holder in words, for messages.
std::string Describe(const LeaseHolder& holder) {
  if (holder.token.empty()) return "a worker whose lease cannot be read";
  return absl::StrCat("process ", holder.process.pid, " on ",
                      holder.process.host, " since ", holder.since);
}

absl::StatusOr<double> ModificationTime(const std::string& path) {
  // Opening makes a network file system ask its server, where stat could answer
  // from a cache.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(path, "cannot open", errno);
  struct stat info;
  // Kept, since close may set errno anew.
  const int failure = ::fstat(fd, &info) == 0 ? 0 : errno;
  ::close(fd);
  if (failure != 0) return FileError(path, "cannot look at", failure);
  return static_cast<double>(info.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

// Returns "" if the lease at `path` is free, the holder and the reason if it
// may be taken over, and UNAVAILABLE otherwise. The caller holds `lock`. A file
// that cannot be read as a lease names no process; it is free when it is stale.
absl::StatusOr<std::string> CheckFree(const std::string& path,
                                      const FolderLock& lock, double seconds) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxLeaseBytes);
  if (absl::IsNotFound(bytes.status())) return "";
  if (!bytes.ok()) return bytes.status();
  const LeaseHolder holder = DecodeLease(*bytes);
  if (HasEnded(holder.process)) {
    return absl::StrCat(Describe(holder), ", which has ended");
  }
  const absl::StatusOr<double> renewed = ModificationTime(path);
  if (!renewed.ok()) return renewed.status();
  const absl::StatusOr<double> now = lock.Now();
  if (!now.ok()) return now.status();
  // The difference is negative only if the server's clock was put back. A
  // living holder would have renewed since then, so its size decides alone.
  const double age = std::abs(*now - *renewed);
  const std::string renewal = absl::StrFormat("renewed %.0f s ago", age);
  // The holder's own length counts, since it decides how often it renews.
  if (age > (holder.seconds > 0 ? holder.seconds : seconds)) {
    return absl::StrCat(Describe(holder), ", ", renewal);
  }
  return absl::UnavailableError(
      absl::StrCat("leased by ", Describe(holder), ", ", renewal));
}

}  // namespace

std::string EncodeLease(const LeaseHolder& holder) {
  const nlohmann::json json = {
      {"token", holder.token},         {"host", holder.process.host},
      {"place", holder.process.place}, {"pid", holder.process.pid},
      {"start", holder.process.start}, {"since", holder.since},
      {"seconds", holder.seconds},
  };
  // Host names are bytes. Those that are not UTF-8 are replaced.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

LeaseHolder DecodeLease(const std::string& bytes) {
  try {
    const nlohmann::json json = nlohmann::json::parse(bytes);
    LeaseHolder holder;
    holder.process.host = json.at("host").get<std::string>();
    holder.process.place = json.at("place").get<std::string>();
    holder.process.pid = json.at("pid").get<int64_t>();
    holder.process.start = json.at("start").get<uint64_t>();
    holder.since = json.at("since").get<std::string>();
    holder.seconds = json.at("seconds").get<double>();
    holder.token = json.at("token").get<std::string>();
    return holder;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

absl::StatusOr<std::unique_ptr<Lease>> Lease::Take(const std::string& folder,
                                                   const std::string& model,
                                                   double seconds) {
  absl::StatusOr<std::string> token = RandomToken();
  if (!token.ok()) return token.status();
  const absl::StatusOr<FolderLock> lock = FolderLock::Acquire(folder);
  if (!lock.ok()) return lock.status();
  const std::string path = absl::StrCat(folder, "/", model, ".lease");
  absl::StatusOr<std::string> from = CheckFree(path, *lock, seconds);
  if (!from.ok()) return from.status();
  LeaseHolder self;
  self.token = *std::move(token);
  self.process = IdentifyThisProcess();
  self.since =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
  self.seconds = seconds;
  // The folder's lock is still held, so no other worker has taken the lease
  // since CheckFree.
  if (absl::Status s = WriteFileDurably(path, EncodeLease(self)); !s.ok()) {
    return s;
  }
  return std::unique_ptr<Lease>(
      new Lease(folder, path, std::move(self), *std::move(from)));
}

Lease::Lease(std::string folder, std::string path, LeaseHolder self,
             std::string taken_over_from)
    : folder_(std::move(folder)),
      path_(std::move(path)),
      self_(std::move(self)),
      taken_over_from_(std::move(taken_over_from)),
      heartbeat_([this] { KeepRenewing(); }) {}

Lease::~Lease() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  // The thread uses this object, so it ends before anything else does.
  heartbeat_.join();
  // An error does not matter: a lease that stays gets stale.
  (void)WhileHeld([this] {
    ::unlink(path_.c_str());
    return absl::OkStatus();
  });
}

absl::Status Lease::Check() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lost_;
}

absl::Status Lease::WhileHeld(const std::function<absl::Status()>& act) {
  const absl::StatusOr<FolderLock> lock = FolderLock::Acquire(folder_);
  if (!lock.ok()) return lock.status();
  // The lock keeps others from taking the lease over before `act` is done.
  absl::Status held = CheckHolder(ReadFile(path_, kMaxLeaseBytes));
  return held.ok() ? act() : held;
}

absl::Status Lease::Renew() {
  // The file is opened before it is read. If another worker takes the lease
  // over in between, the touch goes to the old file, which has no name any
  // more, and does not renew the other's lease.
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  // Kept, since the read below may set errno anew.
  const int open_error = errno;
  absl::Status status = CheckHolder(ReadFile(path_, kMaxLeaseBytes));
  if (fd < 0) {
    return status.ok() ? FileError(path_, "cannot open", open_error) : status;
  }
  if (status.ok() && ::futimens(fd, nullptr) != 0) {
    status = FileError(path_, "cannot touch", errno);
  }
  ::close(fd);
  return status;
}

absl::Status Lease::CheckHolder(const absl::StatusOr<std::string>& bytes) {
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!lost_.ok()) return lost_;
  if (!bytes.ok()) {
    lost_ = absl::AbortedError(absl::StrCat(path_, ": the lease was removed"));
  } else if (const LeaseHolder holder = DecodeLease(*bytes);
             holder.token != self_.token) {
    lost_ = absl::AbortedError(absl::StrCat(
        path_, ": the lease was taken over by ", Describe(holder)));
  }
  return lost_;
}

void Lease::KeepRenewing() {
  // Two renewals in a row may fail before the lease is stale.
  const std::chrono::duration<double> interval(self_.seconds / 3);
  std::unique_lock<std::mutex> lock(mutex_);
  while (!wake_.wait_for(lock, interval, [this] { return ending_; })) {
    // Renew waits for the file server and takes mutex_ itself.
    lock.unlock();
    (void)Renew();  // a loss is remembered for Check
    lock.lock();
  }
}

}  // namespace adv
