#include "server/wire/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

std::string MessageOf(const std::string& address) {
  const auto listener = Listener::Open(address, kPatience);
  return std::string(listener.status().message());
}

// A socket file whose program has ended without removing it.
void LeaveStaleSocket(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
  const int left = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(left, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  close(left);
}

class ListenerTest : public ::testing::Test {
 protected:
  std::string Path() const { return folder_ / "socket"; }
  std::string Address() const { return "unix:" + Path(); }

  TemporaryFolder folder_;
};

TEST_F(ListenerTest, ASocketThatSomebodyListensOnIsRefused) {
  const auto first = Listener::Open(Address(), kPatience);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(MessageOf(Address()), HasSubstr("another program listens"));
  EXPECT_TRUE(std::filesystem::is_socket(Path()));
}

TEST_F(ListenerTest, AStaleSocketIsTakenOver) {
  LeaveStaleSocket(Path());
  const auto listener = Listener::Open(Address(), kPatience);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_THAT(MessageOf(Address()), HasSubstr("another program listens"));
}

TEST_F(ListenerTest, ItsSocketGoesWithItButNoOneElses) {
  auto first = Listener::Open(Address(), kPatience);
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::remove(Path());
  auto second = Listener::Open(Address(), kPatience);
  ASSERT_TRUE(second.ok()) << second.status();
  first->reset();
  EXPECT_TRUE(std::filesystem::is_socket(Path()));
  second->reset();
  EXPECT_FALSE(std::filesystem::exists(Path()));
}

TEST_F(ListenerTest, WhatIsNoSocketStays) {
  std::ofstream(Path()) << "text";
  EXPECT_THAT(MessageOf(Address()), HasSubstr("in use"));
  EXPECT_EQ(std::filesystem::file_size(Path()), 4u);
}

TEST_F(ListenerTest, ATooLongPathIsNamed) {
  EXPECT_THAT(MessageOf("unix:/" + std::string(200, 'a')),
              HasSubstr("at most 107 bytes"));
}

TEST_F(ListenerTest, ATakenPortIsRefused) {
  const auto first = Listener::Open("127.0.0.1:0", kPatience);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_GT((*first)->port(), 0);
  EXPECT_THAT(MessageOf("127.0.0.1:" + std::to_string((*first)->port())),
              HasSubstr("in use"));
}

TEST_F(ListenerTest, AllAddressesOfAHostGetOnePort) {
  const auto local = Listener::Open("localhost:0", kPatience);
  ASSERT_TRUE(local.ok()) << local.status();
  EXPECT_THAT(MessageOf("127.0.0.1:" + std::to_string((*local)->port())),
              HasSubstr("in use"));
  const auto any = Listener::Open("0.0.0.0:0", kPatience);
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_EQ((*any)->sockets().size(), 1u);
}

TEST_F(ListenerTest, AnotherHostsAddressIsRefused) {
  EXPECT_NE(MessageOf("192.0.2.1:0"), "");
}

}  // namespace
}  // namespace adv
