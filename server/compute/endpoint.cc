#include "server/compute/endpoint.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "server/wire/errors.h"

namespace adv {
namespace {

constexpr double kFirstPause = .1;  // seconds
constexpr double kLongestPause = 5;
// Each retry costs 1 of the allowance and each success earns a part of it, so
// that an endpoint that mostly fails is not flooded with retries.
constexpr double kMostAllowance = 20;
constexpr double kEarned = .2;
// gRPC's default of 4 MiB is less than one batch of large images.
constexpr int kMessageBytes = 1 << 30;

Clock::Duration Duration(double seconds) {
  return std::chrono::duration_cast<Clock::Duration>(
      std::chrono::duration<double>(seconds));
}

// Whether the same call may succeed later. Other codes say that the call itself
// is wrong.
bool MayPass(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNAVAILABLE ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         code == grpc::StatusCode::ABORTED ||
         code == grpc::StatusCode::DEADLINE_EXCEEDED;
}

// The text of a failed call without the endpoint's address, which gRPC's own
// words on a connection name.
std::string WithoutAddress(const std::string& text, const std::string& target) {
  // "ipv4:127.0.0.1:8001: Failed to connect", "qtype=A name=lab.example"
  constexpr absl::string_view kBeginnings[] = {
      "ipv4:", "ipv6:", "unix:", "dns:", "name="};
  std::vector<std::string> words;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const bool is_address = std::any_of(
        std::begin(kBeginnings), std::end(kBeginnings),
        [word](absl::string_view one) { return absl::StartsWith(word, one); });
    words.push_back(is_address
                        ? "its address"
                        : absl::StrReplaceAll(word, {{target, "its address"}}));
  }
  return absl::StrJoin(words, " ");
}

std::shared_ptr<grpc::Channel> MakeChannel(const EndpointOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytes);
  arguments.SetMaxSendMessageSize(kMessageBytes);
  // Endpoint::Pause makes the pauses. gRPC's own pauses between attempts to
  // connect grow to two minutes: a server that came back would seem to be away.
  const int pause = static_cast<int>(kFirstPause * 1000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, pause);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // Endpoints do not share a connection, though they may share a server.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (options.tls) {
    credentials =
        grpc::SslCredentials({options.roots, options.key, options.certificate});
  } else {
    credentials = grpc::InsecureChannelCredentials();
  }
  return grpc::CreateCustomChannel(options.target, credentials, arguments);
}

}  // namespace

Endpoint::Endpoint(const EndpointOptions& options)
    : options_(options),
      clock_(options.clock != nullptr ? *options.clock : real_clock_),
      channel_(MakeChannel(options)),
      stub_(inference::GRPCInferenceService::NewStub(channel_)),
      places_(std::max(options.requests, 1)),
      allowance_(kMostAllowance),
      next_turn_(clock_.Now()),
      // Each endpoint has its own sequence of pauses.
      chance_(static_cast<unsigned>(std::hash<std::string>()(options.name))) {}

absl::StatusOr<inference::ModelMetadataResponse> Endpoint::Metadata(
    const std::string& model, const std::string& version) {
  inference::ModelMetadataRequest request;
  request.set_name(model);
  request.set_version(version);
  inference::ModelMetadataResponse response;
  // Metadata is asked while a model loads. The registry loads it again at its
  // next look, so a retry here would only hold up other models.
  const absl::Status status =
      Try(model, /*retries=*/0, 0, {}, [&](grpc::ClientContext* context) {
        return stub_->ModelMetadata(context, request, &response);
      });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<inference::ModelInferResponse> Endpoint::Infer(
    const inference::ModelInferRequest& request, int64_t images,
    const Asker& asker) {
  inference::ModelInferResponse response;
  const absl::Status status =
      Try(request.model_name(), options_.retries, images, asker,
          [&](grpc::ClientContext* context) {
            return stub_->ModelInfer(context, request, &response);
          });
  if (!status.ok()) return status;
  return response;
}

// Enter takes a place among the calls, and CallOnce gives it back. So no place
// is held during a pause.
absl::Status Endpoint::Try(absl::string_view what, int retries, int64_t images,
                           const Asker& asker, const Call& call) {
  // Wakes what waits below.
  const CancelToken::Watch watch(asker.cancel, [this] {
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  for (int tries = 1;; ++tries) {
    absl::Status entered = Enter(images, asker.cancel);
    if (!entered.ok()) return entered;
    // Counted before the call: a call that fails may have been answered.
    if (asker.sent != nullptr) *asker.sent += images;
    const grpc::Status status = CallOnce(call, asker.cancel);
    if (status.ok()) return absl::OkStatus();
    const bool again = tries <= retries && MayPass(status.error_code()) &&
                       Pause(tries, asker.cancel);
    // A call that this server ended failed through no fault of the endpoint.
    {
      MutexLock lock(mutex_);
      if (absl::Status ended = Ended(asker.cancel); !ended.ok()) return ended;
    }
    if (again) continue;
    return Error(
        Reason::kModelUnreachable,
        absl::StrCat(
            "endpoint ", options_.name, " does not answer for model ",
            Quote(what), " (", tries, tries == 1 ? " try" : " tries", "): ",
            absl::StatusCodeToString(
                static_cast<absl::StatusCode>(status.error_code())),
            ", ",
            Quote(WithoutAddress(status.error_message(), options_.target))));
  }
}

absl::Status Endpoint::Ended(const CancelToken& cancel) const {
  if (stopped_) return absl::UnavailableError("the server is stopping");
  if (cancel.cancelled()) return absl::CancelledError("cancelled");
  return absl::OkStatus();
}

absl::Status Endpoint::Enter(int64_t images, const CancelToken& cancel) {
  MutexLock lock(mutex_);
  while (places_ == 0 && Ended(cancel).ok()) changed_.Wait(mutex_);
  if (absl::Status ended = Ended(cancel); !ended.ok()) return ended;
  --places_;
  // Each call reserves the time of its images, so that later calls wait longer.
  const Clock::Time begun = clock_.Now();
  const Clock::Time turn = std::max(begun, next_turn_);
  if (options_.queries_per_second > 0) {
    next_turn_ = turn + Duration(static_cast<double>(images) /
                                 options_.queries_per_second);
    while (Ended(cancel).ok() && clock_.Now() < turn) {
      clock_.WaitUntil(changed_, mutex_, turn);
    }
    stats_.held_seconds += Seconds(clock_.Now() - begun);
  }
  if (absl::Status ended = Ended(cancel); !ended.ok()) {
    ++places_;
    changed_.NotifyAll();
    return ended;
  }
  ++stats_.calls;
  stats_.queries += images;
  return absl::OkStatus();
}

grpc::Status Endpoint::CallOnce(const Call& call, const CancelToken& cancel) {
  grpc::ClientContext context;
  const CancelToken::Watch watch(cancel, [&context] { context.TryCancel(); });
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::duration<double>(options_.timeout)));
  {
    MutexLock lock(mutex_);
    running_.insert(&context);
    // Stop may have gone through the set before this call was in it.
    if (stopped_) context.TryCancel();
  }
  const Clock::Time begun = clock_.Now();
  // Without the lock: the call blocks for up to the timeout.
  grpc::Status status = call(&context);
  MutexLock lock(mutex_);
  // Under the lock and before the context dies: Stop cancels what is in the
  // set.
  running_.erase(&context);
  ++places_;
  stats_.seconds += Seconds(clock_.Now() - begun);
  if (status.ok()) {
    allowance_ = std::min(allowance_ + kEarned, kMostAllowance);
  } else {
    ++stats_.failures;
  }
  changed_.NotifyAll();
  return status;
}

bool Endpoint::Pause(int tries, const CancelToken& cancel) {
  MutexLock lock(mutex_);
  // The allowance is shared by all calls of the endpoint.
  if (allowance_ < 1) return false;
  --allowance_;
  const double longest =
      std::min(kFirstPause * std::pow(2, tries - 1), kLongestPause);
  // Calls that failed together must not come back together.
  const double share = std::uniform_real_distribution<>(.5, 1)(chance_);
  const Clock::Time end = clock_.Now() + Duration(longest * share);
  while (Ended(cancel).ok() && clock_.Now() < end) {
    clock_.WaitUntil(changed_, mutex_, end);
  }
  // The next try connects at once, whatever gRPC's own pause.
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  if (!Ended(cancel).ok()) return false;
  ++stats_.retries;
  return true;
}

void Endpoint::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (grpc::ClientContext* context : running_) context->TryCancel();
  changed_.NotifyAll();
}

EndpointStats Endpoint::stats() const {
  MutexLock lock(mutex_);
  EndpointStats stats = stats_;
  stats.in_flight = static_cast<int64_t>(running_.size());
  return stats;
}

}  // namespace adv
