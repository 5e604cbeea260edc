#include "net/page_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

int Connect(const Address& address) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&to), sizeof(to)),
            0);
  return connection;
}

// What the server answers before it closes the connection.
std::string Ask(const Address& address, const std::string& first_line) {
  const int connection = Connect(address);
  const std::string request = first_line + "\r\nHost: test\r\n\r\n";
  EXPECT_EQ(send(connection, request.data(), request.size(), 0),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char bytes[4096];
  ssize_t count = 0;
  while ((count = recv(connection, bytes, sizeof(bytes), 0)) > 0) {
    answer.append(bytes, static_cast<size_t>(count));
  }
  close(connection);
  return answer;
}

class PageServerTest : public ::testing::Test {
 protected:
  PageServerTest() {
    const auto page = [] { return HttpPage{200, kPrometheusText, "one 1\n"}; };
    const auto busy = [] { return HttpPage{503, HttpPage().type, "wait\n"}; };
    auto server = PageServer::Start(*ParseAddress("127.0.0.1:0"),
                                    {{"/metrics", page}, {"/busy", busy}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::unique_ptr<PageServer> server_;
};

TEST_F(PageServerTest, ServesItsPagesOnARealPort) {
  EXPECT_GT(server_->address().port, 0);
  EXPECT_THAT(Ask(server_->address(), "GET /metrics HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Type: text/plain; version=0.0.4"),
                    HasSubstr("Content-Length: 6\r\n"),
                    HasSubstr("Cache-Control: no-store\r\n"),
                    EndsWith("\r\n\r\none 1\n")));
  EXPECT_THAT(Ask(server_->address(), "GET /busy HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("wait\n")));
}

TEST_F(PageServerTest, HeadHasNoBodyAndOtherMethodsAreRefused) {
  EXPECT_THAT(Ask(server_->address(), "HEAD /metrics HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Length: 6\r\n"), Not(HasSubstr("one"))));
  EXPECT_THAT(Ask(server_->address(), "DELETE /metrics HTTP/1.1"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(server_->address(), "GET /../etc/passwd HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("not found\n")));
}

TEST_F(PageServerTest, SilentConnectionsDoNotKeepOthersOut) {
  std::vector<int> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(Connect(server_->address()));
  EXPECT_THAT(Ask(server_->address(), "GET /metrics HTTP/1.1"),
              StartsWith("HTTP/1.1 200 "));
  for (const int connection : silent) close(connection);
}

TEST_F(PageServerTest, APortInUseIsAnErrorWithTheReason) {
  const auto second = PageServer::Start(server_->address(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(ToString(server_->address())),
                    HasSubstr("Address already in use")));
}

}  // namespace
}  // namespace adv
