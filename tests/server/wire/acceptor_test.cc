#include "server/wire/acceptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>
#include <vector>

#include "server/compute/mutex.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

int ConnectTo(int port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&name), sizeof(name)),
            0);
  return client;
}

// The connections that an acceptor handed over.
class Taken {
 public:
  void Add(int connection) {
    const MutexLock lock(mutex_);
    connections_.push_back(connection);
    changed_.NotifyAll();
  }
  void Await(size_t count) {
    MutexLock lock(mutex_);
    while (connections_.size() < count) changed_.Wait(mutex_);
  }
  size_t size() {
    const MutexLock lock(mutex_);
    return connections_.size();
  }
  void CloseAll() {
    const MutexLock lock(mutex_);
    for (const int connection : connections_) close(connection);
    connections_.clear();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<int> connections_ ADV_GUARDED_BY(mutex_);
};

TEST(AcceptorTest, TooManyConnectionsWaitUntilThereIsRoom) {
  // Fewer than twice the room: the second time all find a place.
  constexpr int kClients = 15;
  constexpr int kRoom = 10;
  auto listener = Listener::Open("127.0.0.1:0", std::chrono::seconds(20));
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int port = (*listener)->port();
  std::ostringstream text;
  Log log(text, LogFormat::kText);
  Taken taken;
  // The clients' ends, which take descriptors of this process too, come first.
  std::vector<int> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(ConnectTo(port));
  Acceptor acceptor(
      *std::move(listener), kRoom,
      [&taken](int, int connection) { taken.Add(connection); }, &log);
  while (acceptor.accepting()) {
  }
  const size_t first = taken.size();
  // Descriptors that this process inherited may lie between.
  EXPECT_LE(first, size_t{kRoom});
  EXPECT_GE(first, size_t{kClients - kRoom});
  taken.CloseAll();
  taken.Await(kClients - first);
  taken.CloseAll();
  while (!acceptor.accepting()) {
  }
  acceptor.Stop();
  EXPECT_THAT(text.str(), HasSubstr("connections_full"));
  EXPECT_THAT(text.str(), HasSubstr("connections_accepted_again"));
  for (const int client : clients) close(client);
}

TEST(AcceptorTest, ListensNoLongerOnceStopped) {
  auto listener = Listener::Open("127.0.0.1:0", std::chrono::seconds(20));
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string address =
      "127.0.0.1:" + std::to_string((*listener)->port());
  std::ostringstream text;
  Log log(text, LogFormat::kText);
  Acceptor acceptor(
      *std::move(listener), 1, [](int, int) {}, &log);
  acceptor.Stop();
  EXPECT_TRUE(Listener::Open(address, std::chrono::seconds(20)).ok());
}

}  // namespace
}  // namespace adv
