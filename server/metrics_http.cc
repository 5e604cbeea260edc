#include "server/metrics_http.h"

#include <absl/strings/str_cat.h>
#include <civetweb.h>

#include <array>
#include <cstring>
#include <utility>

namespace adv {
namespace {

int NotFoundPage(mg_connection* connection, void*) {
  mg_send_http_error(connection, 404, "%s", "not found");
  return 404;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(
    const std::string& address) {
  std::array<const char*, 7> options = {
      "listening_ports",    address.c_str(), "num_threads", "2",
      "request_timeout_ms", "10000",         nullptr};
  mg_callbacks callbacks;
  std::memset(&callbacks, 0, sizeof(callbacks));
  std::array<char, 256> text{};
  mg_init_data init{&callbacks, nullptr, options.data()};
  mg_error_data error{nullptr, text.data(), text.size()};
  mg_context* const context = mg_start2(&init, &error);
  if (context == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, " for metrics: ",
                     text.data()[0] != 0 ? text.data() : "unknown reason"));
  }
  std::array<mg_server_port, 1> ports{};
  mg_get_server_ports(context, static_cast<int>(ports.size()), ports.data());
  return std::unique_ptr<MetricsHttp>(new MetricsHttp(
      context,
      absl::StrCat(address.substr(0, address.rfind(':')), ":", ports[0].port)));
}

MetricsHttp::MetricsHttp(mg_context* context, std::string address)
    : context_(context), address_(std::move(address)) {
  mg_set_request_handler(context_, "/", &NotFoundPage, nullptr);
}

MetricsHttp::~MetricsHttp() { mg_stop(context_); }

void MetricsHttp::Serve(const std::string& path, HttpHandler handler) {
  handlers_.push_back(std::move(handler));
  // "$" ends the pattern: nothing below the path.
  mg_set_request_handler(context_, absl::StrCat(path, "$").c_str(), &Handle,
                         &handlers_.back());
}

int MetricsHttp::Handle(mg_connection* connection, void* handler) {
  const std::string method = mg_get_request_info(connection)->request_method;
  if (method != "GET" && method != "HEAD") {
    mg_send_http_error(connection, 405, "%s", "only GET and HEAD");
    return 405;
  }
  const HttpPage page = (*static_cast<HttpHandler*>(handler))();
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            page.code, mg_get_response_code_text(connection, page.code),
            page.type, page.body.size());
  if (method == "GET") {
    mg_write(connection, page.body.data(), page.body.size());
  }
  return page.code;
}

}  // namespace adv
