// What peers send to the metrics port: each gets an answer of HTTP or none, and
// the next one gets the page.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "net/page_server.h"

namespace {

int Connect(const adv::Address& address) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  if (connect(connection, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    std::abort();
  }
  return connection;
}

// What the server answers until it closes the connection. With `half_closed` it
// sees the end of the request at once; otherwise it waits for more if there is
// no whole request.
std::string Ask(const adv::Address& address, const std::string& request,
                bool half_closed) {
  const int connection = Connect(address);
  // The server may have closed it before the last byte.
  (void)send(connection, request.data(), request.size(), MSG_NOSIGNAL);
  if (half_closed) shutdown(connection, SHUT_WR);
  std::string answer;
  char bytes[4096];
  ssize_t count = 0;
  while ((count = recv(connection, bytes, sizeof(bytes), 0)) > 0) {
    answer.append(bytes, static_cast<size_t>(count));
  }
  close(connection);
  return answer;
}

const adv::Address& TheAddress() {
  static const auto* const kServer =
      adv::PageServer::Start(*adv::ParseAddress("127.0.0.1:0"),
                             {{"/livez",
                               [] {
                                 return adv::HttpPage{200, "text/plain", "ok"};
                               }}})
          .value()
          .release();
  return kServer->address();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string request(reinterpret_cast<const char*>(data), size);
  const std::string answer = Ask(TheAddress(), request, /*half_closed=*/true);
  if (!answer.empty() && answer.rfind("HTTP/1.", 0) != 0) std::abort();
  const std::string page = Ask(TheAddress(), "GET /livez HTTP/1.0\r\n\r\n",
                               /*half_closed=*/false);
  if (page.rfind("HTTP/1.1 200", 0) != 0) std::abort();
  return 0;
}
