#ifndef ADV_TESTS_INTEGRATION_SERVER_FIXTURE_H_
#define ADV_TESTS_INTEGRATION_SERVER_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "adv/v1/model_service.grpc.pb.h"
#include "adv/v1/server_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/server.h"
#include "server/telemetry/log.h"
#include "tests/server/temporary_folder.h"

namespace adv {

// A server in this process with two random models, "balanced" and "no-cat",
// and a real connection to it.
class ServerFixture : public ::testing::Test {
 protected:
  ServerFixture();
  ~ServerFixture() override;

  // Loopback, a free port, no metrics port, everything in memory, one thread.
  Options DefaultOptions() const;
  // Replaces the server; the stubs speak to the new one.
  void Restart(const Options& options);

  // A context whose deadline no test should meet.
  static std::unique_ptr<grpc::ClientContext> Context();
  // `count` grey images, UINT8, NHWC.
  static v1::ImageBatch Images(int count);
  v1::ClassifyRequest GoodClassify() const;
  v1::GenerateAdversarialRequest GoodGenerate() const;
  // FGSM on 20 samples of the built-in data set.
  v1::EvaluateRobustnessRequest QuickEvaluation() const;
  // So many steps on all samples that no test waits for its end.
  v1::EvaluateRobustnessRequest EndlessEvaluation() const;

  // All messages of a stream.
  grpc::Status Evaluate(const v1::EvaluateRobustnessRequest& request,
                        std::vector<v1::EvaluateRobustnessResponse>* messages);
  // That the server answers.
  void ExpectServes();

  TemporaryFolder folder_;
  std::ostringstream log_text_;
  Log log_{log_text_, LogFormat::kText};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AttackEvaluationService::Stub> stub_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::ServerService::Stub> info_;
};

// ErrorInfo.reason, empty if there is none.
std::string ReasonOf(const grpc::Status& status);
// The fields of BadRequest, in order.
std::vector<std::string> FieldsOf(const grpc::Status& status);
// The first detail of a type; false if there is none.
bool FindDetail(const grpc::Status& status, google::protobuf::Message* detail);

}  // namespace adv

#endif  // ADV_TESTS_INTEGRATION_SERVER_FIXTURE_H_
