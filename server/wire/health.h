#ifndef ADV_SERVER_WIRE_HEALTH_H_
#define ADV_SERVER_WIRE_HEALTH_H_

#include <grpcpp/health_check_service_interface.h>

#include <set>
#include <string>
#include <thread>

#include "server/compute/mutex.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/models/model_registry.h"
#include "server/wire/acceptor.h"

namespace adv {

// The answers of grpc.health.v1:
//   ""                              liveness: SERVING, always
//   adv.v1.AttackEvaluationService  readiness: a model serves, no drain, the
//                                   port accepts connections, and the
//                                   evaluation store can be reached
//   model/<name>                    whether a version of that model serves
// Thread-safe.
class Health {
 public:
  // It owns none of its arguments; all must outlive it.
  Health(grpc::HealthCheckServiceInterface* service,
         const ModelRegistry* models, const Acceptor* acceptor,
         const EvaluationRunner* evaluations);
  ~Health();
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // Makes the answer "not ready" from now on.
  void StartDrain() ADV_EXCLUDES(mutex_);
  bool ready() const ADV_EXCLUDES(mutex_);

 private:
  void Refresh() ADV_REQUIRES(mutex_);
  void Loop() ADV_EXCLUDES(mutex_);

  grpc::HealthCheckServiceInterface* const service_;
  const ModelRegistry* const models_;
  const Acceptor* const acceptor_;
  const EvaluationRunner* const evaluations_;
  mutable Mutex mutex_;
  CondVar stop_;
  RealClock clock_;
  bool stopping_ ADV_GUARDED_BY(mutex_) = false;
  bool draining_ ADV_GUARDED_BY(mutex_) = false;
  bool ready_ ADV_GUARDED_BY(mutex_) = false;
  std::set<std::string> known_ ADV_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_HEALTH_H_
