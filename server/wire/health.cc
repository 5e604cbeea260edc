#include "server/wire/health.h"

#include <absl/strings/str_cat.h>

#include <chrono>
#include <map>

namespace adv {
namespace {

constexpr char kReadiness[] = "adv.v1.AttackEvaluationService";
constexpr auto kInterval = std::chrono::milliseconds(500);

}  // namespace

Health::Health(grpc::HealthCheckServiceInterface* service,
               const ModelRegistry* models, const Acceptor* acceptor,
               const EvaluationRunner* evaluations)
    : service_(service),
      models_(models),
      acceptor_(acceptor),
      evaluations_(evaluations) {
  // Liveness is set once: a process without models, or with full queues, must
  // not be restarted for that.
  service_->SetServingStatus("", true);
  {
    const MutexLock lock(mutex_);
    Refresh();
  }
  thread_ = std::thread([this] { Loop(); });
}

Health::~Health() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    stop_.NotifyAll();
  }
  thread_.join();
}

void Health::StartDrain() {
  const MutexLock lock(mutex_);
  draining_ = true;
  // At once, not at the loop's next look: balancers must see it as early as
  // they can.
  Refresh();
}

bool Health::ready() const {
  const MutexLock lock(mutex_);
  return ready_;
}

void Health::Refresh() {
  std::map<std::string, bool> serving = models_->Serving();
  // gRPC keeps the last status of each name. Models that are gone are in no
  // list any more, so they are set to false here. emplace changes no name that
  // is there.
  for (const std::string& name : known_) serving.emplace(name, false);
  const bool open = !draining_ && acceptor_->accepting();
  ready_ = false;
  for (const auto& [name, serves] : serving) {
    known_.insert(name);
    ready_ |= serves && open;
    service_->SetServingStatus(absl::StrCat("model/", name), serves && open);
  }
  // Models may still be asked then, by those who do not look at readiness.
  ready_ &= evaluations_->store_available();
  service_->SetServingStatus(kReadiness, ready_);
}

void Health::Loop() {
  const MutexLock lock(mutex_);
  while (!stopping_) {
    Refresh();
    // Models and the port change without telling, so this looks again from time
    // to time.
    clock_.WaitUntil(stop_, mutex_, clock_.Now() + kInterval);
  }
}

}  // namespace adv
