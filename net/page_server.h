#ifndef ADV_NET_PAGE_SERVER_H_
#define ADV_NET_PAGE_SERVER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/address.h"

namespace adv {

// The content type of metrics in Prometheus's text form.
inline constexpr char kPrometheusText[] =
    "text/plain; version=0.0.4; charset=utf-8";

// A page of text: status code, content type and body.
struct HttpPage {
  int code = 200;
  const char* type = "text/plain; charset=utf-8";
  std::string body;
};

// Called on the server's threads, possibly several at once. It must not throw.
using HttpHandler = std::function<HttpPage()>;

// Handlers by exact path, such as "/metrics".
using HttpPages = std::map<std::string, HttpHandler>;

// A small HTTP server for operators: it answers GET and HEAD of its pages. It
// has no TLS, so keep it on a private address.
class PageServer {
 public:
  // `address` must be of TCP; port 0 picks a free one. UNAVAILABLE, with the
  // reason, if it cannot listen.
  static absl::StatusOr<std::unique_ptr<PageServer>> Start(
      const Address& address, HttpPages pages);
  // Waits for the running requests.
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  // The address, with the real port.
  const Address& address() const { return address_; }

 private:
  struct Http;  // keeps the HTTP library's large header out of this one

  PageServer(const Address& address, HttpPages pages);

  Address address_;
  const HttpPages pages_;
  std::unique_ptr<Http> http_;
};

}  // namespace adv

#endif  // ADV_NET_PAGE_SERVER_H_
