// What operators use: models, info, health, reflection, metrics, drain.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "tests/integration/random_models.h"
#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

using HealthResponse = grpc::health::v1::HealthCheckResponse;

class OperationsTest : public ServerFixture {
 protected:
  void ServeMetrics() {
    Options options = DefaultOptions();
    options.metrics_listen = "127.0.0.1:0";
    Restart(options);
  }
  // The state of a service, or the error's code name.
  grpc::Status Check(const std::string& service) {
    const auto stub = grpc::health::v1::Health::NewStub(channel_);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return stub->Check(Context().get(), request, &health_);
  }
  bool Serving(const std::string& service) {
    return Check(service).ok() && health_.status() == HealthResponse::SERVING;
  }

  // All that `address` answers to `text` before it closes the connection.
  static std::string Talk(const std::string& address, const std::string& text) {
    const int port = std::stoi(address.substr(address.rfind(':') + 1));
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (connect(connection, reinterpret_cast<sockaddr*>(&to), sizeof(to)) ==
        0) {
      EXPECT_EQ(write(connection, text.data(), text.size()),
                static_cast<ssize_t>(text.size()));
      char bytes[4096];
      ssize_t count = 0;
      while ((count = read(connection, bytes, sizeof(bytes))) > 0) {
        answer.append(bytes, static_cast<size_t>(count));
      }
    }
    close(connection);
    return answer;
  }
  // Of the metrics port.
  std::string Http(const std::string& request) const {
    return Talk(server_->metrics_address(), request + " HTTP/1.0\r\n\r\n");
  }
  static std::string Body(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  HealthResponse health_;
};

TEST_F(OperationsTest, ModelsAreListedWithoutTheirCurves) {
  v1::ListModelsResponse list;
  ASSERT_TRUE(models_->ListModels(Context().get(), {}, &list).ok());
  ASSERT_EQ(list.models_size(), 2);
  EXPECT_EQ(list.models(0).name(), "balanced");
  EXPECT_EQ(list.models(1).name(), "no-cat");
  EXPECT_EQ(list.models(1).state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(list.models(1).manifest().training().epochs_size(), 0);
  EXPECT_FALSE(list.models(1).manifest().has_golden());

  v1::GetModelRequest request;
  request.set_model("no-cat");
  v1::GetModelResponse one;
  ASSERT_TRUE(models_->GetModel(Context().get(), request, &one).ok());
  EXPECT_EQ(one.model().manifest().training().epochs_size(), 1);
  EXPECT_TRUE(one.model().manifest().has_golden());
  request.set_model("ship");
  EXPECT_EQ(ReasonOf(models_->GetModel(Context().get(), request, &one)),
            "MODEL_NOT_FOUND");
}

TEST_F(OperationsTest, ReloadFindsWhatIsNew) {
  ASSERT_TRUE(PublishRandomModel(folder_ / "store", "no-dog", 3).ok());
  v1::ReloadModelsResponse reloaded;
  ASSERT_TRUE(models_->ReloadModels(Context().get(), {}, &reloaded).ok());
  ASSERT_EQ(reloaded.loaded_size(), 1);
  EXPECT_EQ(reloaded.loaded(0).name(), "no-dog");
  v1::ClassifyRequest request = GoodClassify();
  request.set_model("no-dog");
  v1::ClassifyResponse response;
  EXPECT_TRUE(stub_->Classify(Context().get(), request, &response).ok());
}

TEST_F(OperationsTest, ReloadReportsWhatIsBrokenAndTheRestServes) {
  const auto version = PublishRandomModel(folder_ / "store", "no-cat", 4);
  ASSERT_TRUE(version.ok());
  std::ofstream(folder_ / "store/no-cat/2/weights.safetensors") << "truncated";
  v1::ReloadModelsResponse reloaded;
  ASSERT_TRUE(models_->ReloadModels(Context().get(), {}, &reloaded).ok());
  ASSERT_EQ(reloaded.failed_size(), 1);
  EXPECT_EQ(reloaded.failed(0).version(), 2);
  EXPECT_THAT(reloaded.failed(0).error(), HasSubstr("weights.safetensors"));
  ExpectServes();
  v1::ClassifyRequest request = GoodClassify();
  request.set_model("no-cat@2");
  v1::ClassifyResponse response;
  const grpc::Status status =
      stub_->Classify(Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_LOADED");
}

TEST_F(OperationsTest, InfoTellsLimitsDatasetsAndAttacks) {
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(info_->GetServerInfo(Context().get(), {}, &info).ok());
  EXPECT_EQ(info.version(), ADV_VERSION);
  EXPECT_EQ(info.executor_threads(), 1);
  EXPECT_EQ(info.limits().images_per_request(), 1024);
  EXPECT_GT(info.limits().queued_cost(), 0);
  ASSERT_EQ(info.datasets_size(), 1);
  EXPECT_EQ(info.datasets(0).size(), 1000);
  EXPECT_EQ(info.datasets(0).class_names_size(), 10);
  EXPECT_THAT(info.attacks(), SizeIs(14));
  EXPECT_THAT(info.device(), StartsWith("CPU"));
}

TEST_F(OperationsTest, HealthNamesLivenessReadinessAndModels) {
  EXPECT_TRUE(Serving(""));
  EXPECT_TRUE(Serving("adv.v1.AttackEvaluationService"));
  EXPECT_TRUE(Serving("model/no-cat"));
  EXPECT_EQ(Check("model/unheard-of").error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperationsTest, LinesOfACallHaveItsTraceId) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  for (const std::string& traceparent :
       {"00-" + trace + "-b7ad6b7169203331-01", "00-" + trace + "-x-01"}) {
    const auto context = Context();
    context->AddMetadata("traceparent", traceparent);
    v1::GenerateAdversarialResponse response;
    const grpc::Status status =
        stub_->GenerateAdversarial(context.get(), GoodGenerate(), &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  server_.reset();
  for (const char* event : {"event=rpc ", "event=audit "}) {
    const std::string log = log_text_.str();
    const size_t first = log.find(event);
    const size_t second = log.find(event, first + 1);
    ASSERT_NE(second, std::string::npos) << log;
    EXPECT_THAT(log.substr(first, log.find('\n', first) - first),
                HasSubstr(" trace_id=" + trace));
    EXPECT_THAT(log.substr(second, log.find('\n', second) - second),
                HasSubstr(" trace_id=\"\""));
  }
}

TEST_F(OperationsTest, ReflectionKnowsTheServices) {
  grpc::GenericStub generic(channel_);
  const auto context = Context();
  grpc::CompletionQueue queue;
  const auto call = generic.PrepareCall(
      context.get(),
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(wait());
  // ServerReflectionRequest{list_services: "*"}
  grpc::Slice text("\x3a\x01*");
  call->WriteLast(grpc::ByteBuffer(&text, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(wait());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(wait());
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  const std::string services(reinterpret_cast<const char*>(bytes.begin()),
                             bytes.size());
  for (const char* service :
       {"adv.v1.AttackEvaluationService", "adv.v1.ModelService",
        "adv.v1.ServerService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(service));
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(wait());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(OperationsTest, TheMetricsPortAnswersOperators) {
  ServeMetrics();
  EXPECT_THAT(Http("GET /livez"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Http("GET /readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Http("GET /buildinfo"), HasSubstr("\"libtorch\""));
  EXPECT_THAT(Http("GET /metrics"), HasSubstr("adv_build_info"));
  EXPECT_THAT(Http("GET /metrics/below"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Http("GET /"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Http("POST /metrics"), StartsWith("HTTP/1.1 405"));
}

TEST_F(OperationsTest, CallsAndWorkAreCounted) {
  ServeMetrics();
  ExpectServes();
  v1::ClassifyRequest wrong = GoodClassify();
  wrong.set_top_k(11);
  v1::ClassifyResponse response;
  ASSERT_FALSE(stub_->Classify(Context().get(), wrong, &response).ok());
  v1::GenerateAdversarialResponse generated;
  ASSERT_TRUE(
      stub_->GenerateAdversarial(Context().get(), GoodGenerate(), &generated)
          .ok());
  std::vector<v1::EvaluateRobustnessResponse> messages;
  ASSERT_TRUE(Evaluate(QuickEvaluation(), &messages).ok());
  const std::string text = Body(Http("GET /metrics"));
  const std::string classify =
      "method=\"Classify\",service=\"adv.v1.AttackEvaluationService\"} ";
  EXPECT_THAT(text, HasSubstr("adv_rpc_started_total{" + classify + "2\n"));
  EXPECT_THAT(text,
              HasSubstr("adv_rpc_handled_total{code=\"INVALID_ARGUMENT\"," +
                        classify + "1\n"));
  EXPECT_THAT(text, HasSubstr("adv_rpc_in_flight{" + classify + "0\n"));
  EXPECT_THAT(text, HasSubstr("adv_images_total{attack=\"none\",model=\"no-cat"
                              "\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("adv_images_total{attack=\"fgsm\",model=\"no-cat"
                              "\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("adv_evaluation_images_total 20\n"));
  EXPECT_THAT(text, HasSubstr("adv_evaluations_total{state=\"succeeded\"} 1"));
  EXPECT_THAT(text, HasSubstr("adv_evaluation_robust_accuracy_ratio{attack="
                              "\"fgsm\",model=\"no-cat\"}"));
  EXPECT_THAT(text, HasSubstr("adv_model_ready{model=\"no-cat\"} 1"));
}

TEST_F(OperationsTest, PromtoolAcceptsTheMetrics) {
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  }
  ServeMetrics();
  ExpectServes();
  const std::string path = folder_ / "metrics";
  std::ofstream(path) << Body(Http("GET /metrics"));
  const std::string command =
      "promtool check metrics < " + path + " > " + path + ".out 2>&1";
  const int code = std::system(command.c_str());
  std::ifstream output(path + ".out");
  const std::string text((std::istreambuf_iterator<char>(output)), {});
  EXPECT_EQ(code, 0) << text;
  EXPECT_EQ(text, "");
}

TEST_F(OperationsTest, DrainEndsStreamsAndRefusesWork) {
  ServeMetrics();
  const auto context = Context();
  const auto stream =
      stub_->EvaluateRobustness(context.get(), EndlessEvaluation());
  v1::EvaluateRobustnessResponse message;
  ASSERT_TRUE(stream->Read(&message));
  std::thread drain([this] {
    server_->Drain(std::chrono::seconds(0), std::chrono::milliseconds(100));
  });
  while (stream->Read(&message)) {
  }
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE)
      << status.error_message();
  drain.join();
  EXPECT_THAT(Http("GET /readyz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Http("GET /livez"), StartsWith("HTTP/1.1 200"));
  v1::ClassifyResponse response;
  EXPECT_EQ(
      stub_->Classify(Context().get(), GoodClassify(), &response).error_code(),
      grpc::StatusCode::UNAVAILABLE);
}

TEST_F(OperationsTest, OpenStreamsDoNotHoldADrainAndACallIsAnswered) {
  ServeMetrics();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto watching = Context();
  const auto watch = health->Watch(watching.get(), {});
  ASSERT_TRUE(watch->Read(&health_));
  const auto reflecting = Context();
  const auto reflection =
      grpc::reflection::v1::ServerReflection::NewStub(channel_)
          ->ServerReflectionInfo(reflecting.get());
  grpc::reflection::v1::ServerReflectionRequest question;
  question.set_list_services("");
  grpc::reflection::v1::ServerReflectionResponse answer;
  ASSERT_TRUE(reflection->Write(question));
  ASSERT_TRUE(reflection->Read(&answer));
  const auto context = Context();
  v1::GenerateAdversarialRequest request = GoodGenerate();
  request.mutable_attack()->mutable_igsm()->set_steps(100);
  v1::GenerateAdversarialResponse response;
  std::promise<grpc::Status> done;
  stub_->async()->GenerateAdversarial(
      context.get(), &request, &response,
      [&done](const grpc::Status& status) { done.set_value(status); });
  const auto started = [this] {
    return Body(Http("GET /metrics"))
               .find("adv_compute_jobs_total{op=\"generate\"") !=
           std::string::npos;
  };
  while (!started()) {
  }
  const auto start = std::chrono::steady_clock::now();
  server_->Drain(std::chrono::seconds(0), std::chrono::seconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50));
  const grpc::Status status = done.get_future().get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.results_size(), 2);
  while (watch->Read(&health_)) {
  }
  EXPECT_FALSE(watch->Finish().ok());
  EXPECT_FALSE(reflection->Read(&answer));
  EXPECT_FALSE(reflection->Finish().ok());
}

TEST_F(OperationsTest, AClientThatIsGoneIsCutOff) {
  Options options = DefaultOptions();
  options.keepalive_seconds = 1;
  Restart(options);
  // It connects, and then does not even answer a PING.
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\x4\0\0\0\0\0", 9);
  const std::string heard = Talk(server_->address(), preface + settings);
  const std::string ping("\0\0\x8\x6\0\0\0\0\0", 9);
  EXPECT_THAT(heard, HasSubstr(ping));
  ExpectServes();
}

TEST_F(OperationsTest, ModelsFoundByPollingAreLogged) {
  Options options = DefaultOptions();
  options.poll_seconds = 1;
  Restart(options);
  ASSERT_TRUE(PublishRandomModel(folder_ / "store", "no-dog", 3).ok());
  v1::GetModelRequest request;
  request.set_model("no-dog");
  v1::GetModelResponse found;
  while (!models_->GetModel(Context().get(), request, &found).ok() ||
         found.model().state() != v1::MODEL_STATE_READY) {
  }
  server_.reset();  // ends the look, and with it the log
  EXPECT_THAT(log_text_.str(),
              HasSubstr("event=model_loaded model=no-dog version=1"));
}

TEST_F(OperationsTest, AServerWithoutModelsSaysWhereItLooked) {
  Options options = DefaultOptions();
  options.stores = {folder_ / "nowhere"};
  const auto server = Server::Start(options, &log_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("nowhere"));
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--store"));
}

TEST_F(OperationsTest, ATakenPortAndAnUnknownDeviceAreNamed) {
  ServeMetrics();
  Options options = DefaultOptions();
  options.listen = server_->address();
  auto server = Server::Start(options, &log_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--listen"));
  options = DefaultOptions();
  options.device = "tpu";
  server = Server::Start(options, &log_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--device"));
  options = DefaultOptions();
  options.metrics_listen = server_->metrics_address();
  server = Server::Start(options, &log_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()),
              HasSubstr("--metrics-listen"));
}

}  // namespace
}  // namespace adv
