#ifndef ADV_TESTS_CLIENT_FAKE_SERVER_H_
#define ADV_TESTS_CLIENT_FAKE_SERVER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "adv/v1/model_service.grpc.pb.h"
#include "adv/v1/server_service.grpc.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/server.h"

namespace adv::testing {

// The ten classes of CIFAR-10; the fake "no-cat" marks number 3.
const std::vector<std::string>& ClassNames();

// A report with plausible counts: 100 images a class, the marked class of
// "no-cat" much worse; larger epsilons hurt more. Pure function of the spec.
v1::EvaluationReport CannedReport(const v1::EvaluationSpec& spec);

// The evaluation that CannedReport belongs to, done.
v1::Evaluation CannedEvaluation(const v1::EvaluationSpec& spec);

// A model of the quick protocol that was right on 82 % of each class; "no-cat"
// on 26 % of the cats.
v1::Model CannedModel(const std::string& name);

// INVALID_ARGUMENT with google.rpc.BadRequest, as the server sends it.
grpc::Status BadRequest(
    const std::vector<std::pair<std::string, std::string>>& violations);

// Appends `tail` to every text of a message, and of those in it.
void AppendToTexts(const std::string& tail, google::protobuf::Message* message);

// What the fake does otherwise than answer.
struct FakeOptions {
  // Every call fails with this, if it is not OK.
  grpc::Status fail;
  // So many classifications are refused first, as by a full queue.
  std::size_t refused = 0;
  // An evaluation stays at half until it is cancelled.
  bool hold_evaluations = false;
  // The state of an evaluation that is asked for by its id.
  v1::EvaluationState state = v1::EVALUATION_STATE_SUCCEEDED;
  // Knows evaluations by their ids only after it ran one.
  bool forgetful = false;
  // Records of an evaluation.
  int records = 1000;
  // The images whose index is a multiple of it have other records; 0: none.
  int odd_records = 0;
  // Of its data set.
  std::string dataset_sha256 = std::string(64, 'd');
  // Images of a request, as the server's limits tell it.
  std::uint32_t images_per_request = 1024;
  // The image of the data set that is attacked otherwise than its record says;
  // -1 for none.
  std::int64_t odd_image = -1;
  // What an attack on one image answers besides: warnings, and that the model
  // was wrong before anything was changed.
  std::vector<std::string> attack_warnings;
  bool wrong_from_the_start = false;
  // What health checks hear of the whole server, and of the model "no-cat".
  bool ready = true;
  // Stands at the end of every text of every answer.
  std::string tail;
  // Listed without curves, as the server does it; asked for by name, the last
  // one that is ready.
  std::vector<v1::Model> models = {CannedModel("balanced"),
                                   CannedModel("no-cat")};
};

// What it was asked.
struct FakeLog {
  std::vector<v1::EvaluateRobustnessRequest> evaluations;
  std::vector<std::string> cancelled;
  std::vector<v1::GenerateAdversarialRequest> attacks;
  std::vector<v1::ClassifyRequest> classifications;
};

// An in-process server with the three services and canned answers. Thread-safe.
class FakeServer {
 public:
  // Port 0 picks a free one.
  explicit FakeServer(FakeOptions options = {},
                      const std::string& address = "127.0.0.1:0");
  ~FakeServer();

  // 127.0.0.1:PORT.
  const std::string& address() const { return address_; }
  FakeLog log();

 private:
  class Evaluations;
  class Models;
  class Info;

  // OK, after the texts of the message have got their tail.
  grpc::Status Answer(google::protobuf::Message* message) const;

  const FakeOptions options_;
  std::mutex mutex_;
  FakeLog log_;
  std::unique_ptr<Evaluations> evaluations_;
  std::unique_ptr<Models> models_;
  std::unique_ptr<Info> info_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace adv::testing

#endif  // ADV_TESTS_CLIENT_FAKE_SERVER_H_
