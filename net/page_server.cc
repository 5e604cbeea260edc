#include "net/page_server.h"

#include <absl/strings/str_cat.h>
#include <httplib.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace adv {
namespace {

constexpr size_t kThreads = 4;
// A client that sends or reads nothing may hold a thread for so long.
constexpr std::chrono::seconds kPatience{5};

HttpPage Answer(const HttpPages& pages, const httplib::Request& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, HttpPage().type, "only GET and HEAD\n"};
  }
  const auto page = pages.find(request.path);
  if (page == pages.end()) return {404, HttpPage().type, "not found\n"};
  return page->second();
}

// The library would set SO_REUSEPORT. A second program could then share the
// port and take half of the requests.
void KeepThePortToOurselves(int socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

struct PageServer::Http {
  httplib::Server server;
  std::thread thread;
};

PageServer::PageServer(const Address& address, HttpPages pages)
    : address_(address),
      pages_(std::move(pages)),
      http_(std::make_unique<Http>()) {
  httplib::Server& server = http_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(&KeepThePortToOurselves);
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  // One request for each connection: idle connections would hold all threads.
  server.set_keep_alive_max_count(1);
  // A request for a page has no body.
  server.set_payload_max_length(0);
  // In front of the library's routes, so that other methods and unknown paths
  // get an answer of ours as well.
  server.set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        HttpPage page = Answer(pages_, request);
        response.status = page.code;
        // A page tells the state of this moment.
        response.set_header("Cache-Control", "no-store");
        response.set_content(std::move(page.body), page.type);
        return httplib::Server::HandlerResponse::Handled;
      });
}

absl::StatusOr<std::unique_ptr<PageServer>> PageServer::Start(
    const Address& address, HttpPages pages) {
  std::unique_ptr<PageServer> started(
      new PageServer(address, std::move(pages)));
  httplib::Server& server = started->http_->server;
  int& port = started->address_.port;
  // The library reports no reason; errno, if it set one, is the best there is.
  errno = 0;
  const bool bound =
      port == 0 ? (port = server.bind_to_any_port(address.host), port > 0)
                : server.bind_to_port(address.host, port);
  if (!bound) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", ToString(address), ": ",
        errno != 0 ? std::strerror(errno) : "it is no address of this host"));
  }
  started->http_->thread =
      std::thread([&server] { server.listen_after_bind(); });
  // stop() has no effect on a server that does not run yet, so the destructor
  // would wait for ever.
  while (!server.is_running()) std::this_thread::yield();
  return started;
}

PageServer::~PageServer() {
  // A server that could not listen has no thread.
  if (!http_->thread.joinable()) return;
  http_->server.stop();
  http_->thread.join();
}

}  // namespace adv
