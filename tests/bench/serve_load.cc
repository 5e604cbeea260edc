// Calls a server and says how long it took; bench.py asks for it in turns. It
// knows neither messages nor images, so that it costs little beside the server
// on the same cores.
//
//   bench_serve_load ADDRESS [CA.pem]
//
// With authorities the connection is TLS. Standard input: one line "METHOD FILE
// IN_FLIGHT CALLS", FILE being the bytes of the request. Standard output, for
// each: seconds in all, and the seconds of a call within which 50, 95 and 99 of
// 100 ended; it ends when a call fails.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace adv {
namespace {

using Time = std::chrono::steady_clock::time_point;

double Seconds(Time start, Time end) {
  return std::chrono::duration<double>(end - start).count();
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (file) return content.str();
  std::cerr << "cannot read " << path << '\n';
  std::exit(2);
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const char* authorities) {
  std::shared_ptr<grpc::ChannelCredentials> credentials =
      grpc::InsecureChannelCredentials();
  if (authorities != nullptr) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Content(authorities);
    credentials = grpc::SslCredentials(options);
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  Time start;
};

struct Work {
  std::string method;
  std::string file;
  int in_flight = 0;
  int calls = 0;
};

class Load {
 public:
  explicit Load(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(channel) {}

  // The line of its answer.
  std::string Run(const Work& work) {
    const grpc::Slice slice(Content(work.file));
    const grpc::ByteBuffer request(&slice, 1);
    std::vector<double> seconds;
    const Time start = std::chrono::steady_clock::now();
    int started = 0;
    const int first = std::min(work.in_flight, work.calls);
    for (; started < first; ++started) Start(work.method, request);
    while (static_cast<int>(seconds.size()) < work.calls) {
      seconds.push_back(End());
      if (started < work.calls) {
        Start(work.method, request);
        ++started;
      }
    }
    const Time end = std::chrono::steady_clock::now();
    std::sort(seconds.begin(), seconds.end());
    std::ostringstream line;
    line << Seconds(start, end);
    for (const int percent : {50, 95, 99}) {
      line << ' ' << seconds[seconds.size() * percent / 100];
    }
    return line.str();
  }

 private:
  void Start(const std::string& method, const grpc::ByteBuffer& request) {
    auto* call = new Call;
    call->start = std::chrono::steady_clock::now();
    call->reader =
        stub_.PrepareUnaryCall(&call->context, method, request, &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->reply, &call->status, call);
  }

  // Of the call that ends next: its seconds.
  double End() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (!call->status.ok()) {
      std::cerr << "a call failed: " << call->status.error_message() << '\n';
      std::exit(1);
    }
    return Seconds(call->start, std::chrono::steady_clock::now());
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
};

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: bench_serve_load ADDRESS [CA.pem]\n";
    return 2;
  }
  adv::Load load(adv::Connect(argv[1], argc == 3 ? argv[2] : nullptr));
  for (std::string line; std::getline(std::cin, line);) {
    adv::Work work;
    std::istringstream(line) >> work.method >> work.file >> work.in_flight >>
        work.calls;
    std::cout << load.Run(work) << std::endl;
  }
  return 0;
}
