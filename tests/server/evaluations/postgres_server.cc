#include "tests/server/evaluations/postgres_server.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "server/evaluations/postgres.h"

namespace adv {
namespace {

// As the user that PostgreSQL runs as: it refuses root.
void RunOrDie(const std::string& command) {
  const std::string whole =
      absl::StrCat(getuid() == 0 ? "runuser -u postgres -- " : "", command,
                   " > /dev/null 2>&1");
  // NOLINTNEXTLINE(concurrency-mt-unsafe): tests start it from one thread
  if (std::system(whole.c_str()) != 0) {
    ADD_FAILURE() << "failed: " << whole;
    std::abort();
  }
}

// Debian keeps the programs of each version apart.
std::string FindPrograms() {
  const std::filesystem::path versions = "/usr/lib/postgresql";
  if (std::filesystem::exists(versions)) {
    for (const auto& version : std::filesystem::directory_iterator(versions)) {
      if (std::filesystem::exists(version.path() / "bin/initdb")) {
        return (version.path() / "bin/").string();
      }
    }
  }
  return "";  // on the PATH
}

}  // namespace

PostgresServer::PostgresServer() : programs_(FindPrograms()) {
  std::string name = "/tmp/adv-postgres-XXXXXX";
  folder_ = mkdtemp(name.data());
  if (getuid() == 0) {
    const std::string own = absl::StrCat("chown postgres ", folder_);
    if (std::system(own.c_str()) != 0) std::abort();  // NOLINT: as above
  }
  RunOrDie(absl::StrCat(programs_, "initdb --pgdata=", folder_,
                        "/data --auth=trust --username=adv --no-sync "
                        "--encoding=UTF8 --locale=C"));
  RunOrDie(absl::StrCat(
      programs_, "pg_ctl --pgdata=", folder_, "/data --wait start ",
      "--options=\"-c listen_addresses='' -c unix_socket_directories=", folder_,
      "\" --log=", folder_, "/log"));
}

PostgresServer::~PostgresServer() {
  RunOrDie(absl::StrCat(programs_, "pg_ctl --pgdata=", folder_,
                        "/data --mode=immediate stop"));
  std::filesystem::remove_all(folder_);
}

std::string PostgresServer::NewDatabase() {
  static PostgresServer server;
  const auto url = [](const std::string& database) {
    return absl::StrCat("postgresql://adv@/", database,
                        "?host=", server.folder_);
  };
  const std::string name = absl::StrCat("test", ++server.databases_);
  auto connection = PostgresConnection::Open(url("postgres"), "");
  EXPECT_TRUE(connection.ok()) << connection.status();
  const absl::Status made =
      (*connection)->Execute(absl::StrCat("CREATE DATABASE ", name));
  EXPECT_TRUE(made.ok()) << made;
  return url(name);
}

}  // namespace adv
