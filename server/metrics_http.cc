#include "server/metrics_http.h"

#include <absl/strings/str_cat.h>
#include <civetweb.h>

#include <array>
#include <cstring>
#include <utility>

namespace adv {
namespace {

void Answer(mg_connection* connection, const HttpPage& page, bool with_body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            page.code, mg_get_response_code_text(connection, page.code),
            page.type, page.body.size());
  if (with_body) mg_write(connection, page.body.data(), page.body.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(
    const std::string& address, HttpPages pages) {
  std::array<const char*, 7> options = {
      "listening_ports",    address.c_str(), "num_threads", "2",
      "request_timeout_ms", "10000",         nullptr};
  std::unique_ptr<MetricsHttp> server(new MetricsHttp(std::move(pages)));
  mg_callbacks callbacks;
  std::memset(&callbacks, 0, sizeof(callbacks));
  callbacks.begin_request = &Handle;
  std::array<char, 256> text{};
  mg_init_data init{&callbacks, server.get(), options.data()};
  mg_error_data error{nullptr, text.data(), text.size()};
  server->context_ = mg_start2(&init, &error);
  if (server->context_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, ": ", text.data()));
  }
  mg_server_port port{};
  mg_get_server_ports(server->context_, 1, &port);
  server->address_ =
      absl::StrCat(address.substr(0, address.rfind(':')), ":", port.port);
  return server;
}

MetricsHttp::~MetricsHttp() {
  if (context_ != nullptr) mg_stop(context_);
}

// Answers everything, so that civetweb never looks for files.
int MetricsHttp::Handle(mg_connection* connection) {
  const mg_request_info& request = *mg_get_request_info(connection);
  const auto& server = *static_cast<const MetricsHttp*>(request.user_data);
  const bool get = std::strcmp(request.request_method, "GET") == 0;
  const bool head = std::strcmp(request.request_method, "HEAD") == 0;
  const auto page = server.pages_.find(request.local_uri);
  HttpPage answer;
  if (!get && !head) {
    answer = {405, answer.type, "only GET and HEAD\n"};
  } else if (page == server.pages_.end()) {
    answer = {404, answer.type, "not found\n"};
  } else {
    answer = page->second();
  }
  Answer(connection, answer, !head);
  return answer.code;
}

}  // namespace adv
