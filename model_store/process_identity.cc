#include "model_store/process_identity.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace adv {
namespace {

// The whole text of a file, or an empty string if it cannot be read.
std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Two fields of /proc/<pid>/stat: the letter of the state, such as R or Z, and
// the start in clock ticks from the boot. '?' and 0 if they cannot be read.
struct ProcessStat {
  char state = '?';
  uint64_t start = 0;
};

ProcessStat ReadStat(int64_t pid) {
  const std::string text = ReadText(absl::StrCat("/proc/", pid, "/stat"));
  // The line is "1 (name) S 0 ...". The name may hold anything, also ") ", so
  // the last ") " ends it.
  const size_t name_end = text.rfind(") ");
  ProcessStat stat;
  if (name_end == std::string::npos) return stat;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text).substr(name_end + 2), ' ');
  constexpr size_t kState = 0;
  constexpr size_t kStart = 19;  // field 22 of the whole line
  if (fields.size() <= kStart || fields[kState].empty() ||
      !absl::SimpleAtoi(fields[kStart], &stat.start)) {
    return {};
  }
  stat.state = fields[kState][0];
  return stat;
}

// The place in which a pid of this process's view is unique; empty if not
// known.
std::string ThisPlace() {
  std::string boot = ReadText("/proc/sys/kernel/random/boot_id");
  while (!boot.empty() && boot.back() == '\n') boot.pop_back();
  std::error_code error;
  const std::string space =
      std::filesystem::read_symlink("/proc/self/ns/pid", error);
  return boot.empty() || error ? "" : absl::StrCat(boot, " ", space);
}

std::string HostName() {
  // The last byte stays 0: a name that is cut short need not end with one.
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown host";
  return name.data();
}

}  // namespace

ProcessIdentity IdentifyProcess(pid_t pid) {
  return {HostName(), ThisPlace(), pid, ReadStat(pid).start};
}

ProcessIdentity IdentifyThisProcess() { return IdentifyProcess(::getpid()); }

bool HasEnded(const ProcessIdentity& process) {
  // Elsewhere the same number may belong to another process.
  if (process.place.empty() || process.pid <= 0 || process.start == 0 ||
      process.place != ThisPlace()) {
    return false;
  }
  // kill with signal 0 asks the kernel. /proc alone is not enough, as it may
  // hide the processes of other users.
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) {
    return true;
  }
  const ProcessStat stat = ReadStat(process.pid);
  if (stat.start == 0) return false;
  // A zombie has ended and only waits for its parent. Another start time means
  // that the number belongs to a new process.
  return stat.start != process.start || stat.state == 'Z' || stat.state == 'X';
}

}  // namespace adv
