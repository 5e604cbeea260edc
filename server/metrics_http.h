#ifndef ADV_SERVER_METRICS_HTTP_H_
#define ADV_SERVER_METRICS_HTTP_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

struct mg_context;
struct mg_connection;

namespace adv {

// A page of text: status code, content type and body.
struct HttpPage {
  int code = 200;
  const char* type = "text/plain; charset=utf-8";
  std::string body;
};

// Called on the server's threads, several at once; must not throw.
using HttpHandler = std::function<HttpPage()>;

// By exact path: "/metrics".
using HttpPages = std::map<std::string, HttpHandler>;

// A small HTTP server for what operators ask: GET and HEAD of its pages. No
// TLS: keep it on a private address.
class MetricsHttp {
 public:
  // `address` is "127.0.0.1:9464"; port 0 picks a free one. The error says why
  // it cannot listen.
  static absl::StatusOr<std::unique_ptr<MetricsHttp>> Start(
      const std::string& address, HttpPages pages);
  // Waits for the requests that run.
  ~MetricsHttp();
  MetricsHttp(const MetricsHttp&) = delete;
  MetricsHttp& operator=(const MetricsHttp&) = delete;

  // "127.0.0.1:9464", with the real port.
  const std::string& address() const { return address_; }

 private:
  explicit MetricsHttp(HttpPages pages) : pages_(std::move(pages)) {}
  static int Handle(mg_connection* connection);

  const HttpPages pages_;
  mg_context* context_ = nullptr;
  std::string address_;
};

}  // namespace adv

#endif  // ADV_SERVER_METRICS_HTTP_H_
