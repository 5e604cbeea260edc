#include "tests/integration/server_fixture.h"

#include <chrono>

#include "google/rpc/status.pb.h"
#include "tests/integration/random_models.h"

namespace adv {
namespace {

constexpr std::chrono::seconds kDeadline{120};
constexpr int kCat = 3;

}  // namespace

ServerFixture::ServerFixture() {
  EXPECT_TRUE(PublishRandomModel(folder_ / "store", "balanced", 1).ok());
  EXPECT_TRUE(PublishRandomModel(folder_ / "store", "no-cat", 2, kCat).ok());
  Restart(DefaultOptions());
}

ServerFixture::~ServerFixture() = default;

Options ServerFixture::DefaultOptions() const {
  Options options;
  options.listen = "127.0.0.1:0";
  options.metrics_listen.clear();
  options.stores = {folder_ / "store"};
  options.state = kInMemory;
  options.device = "cpu";
  options.workers = 1;
  options.jobs_per_worker = 1;
  options.poll_seconds = 0;
  return options;
}

void ServerFixture::Restart(const Options& options) {
  server_.reset();
  auto server = Server::Start(options, &log_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ = grpc::CreateCustomChannel(
      server_->address(), grpc::InsecureChannelCredentials(), arguments);
  stub_ = v1::AttackEvaluationService::NewStub(channel_);
  models_ = v1::ModelService::NewStub(channel_);
  info_ = v1::ServerService::NewStub(channel_);
}

std::unique_ptr<grpc::ClientContext> ServerFixture::Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kDeadline);
  return context;
}

v1::ImageBatch ServerFixture::Images(int count) {
  v1::ImageBatch images;
  std::string bytes(static_cast<size_t>(count) * 32 * 32 * 3, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  }
  images.set_data(bytes);
  for (const int size : {count, 32, 32, 3}) images.add_shape(size);
  images.set_data_type(v1::DATA_TYPE_UINT8);
  images.set_layout(v1::IMAGE_LAYOUT_NHWC);
  return images;
}

v1::ClassifyRequest ServerFixture::GoodClassify() const {
  v1::ClassifyRequest request;
  request.set_model("no-cat");
  *request.mutable_images() = Images(2);
  return request;
}

v1::GenerateAdversarialRequest ServerFixture::GoodGenerate() const {
  v1::GenerateAdversarialRequest request;
  request.set_model("no-cat");
  *request.mutable_images() = Images(2);
  request.mutable_attack()->mutable_fgsm();
  request.mutable_epsilon()->set_levels(8);
  return request;
}

v1::EvaluateRobustnessRequest ServerFixture::QuickEvaluation() const {
  v1::EvaluateRobustnessRequest request;
  request.mutable_spec()->set_model("no-cat");
  request.mutable_spec()->set_samples(20);
  request.mutable_spec()->set_tile_size(10);
  request.mutable_spec()->add_attacks()->mutable_fgsm();
  return request;
}

v1::EvaluateRobustnessRequest ServerFixture::EndlessEvaluation() const {
  v1::EvaluateRobustnessRequest request;
  request.mutable_spec()->set_model("no-cat");
  request.mutable_spec()->set_tile_size(8);
  request.mutable_spec()->add_attacks()->mutable_igsm()->set_steps(1000);
  return request;
}

grpc::Status ServerFixture::Evaluate(
    const v1::EvaluateRobustnessRequest& request,
    std::vector<v1::EvaluateRobustnessResponse>* messages) {
  const auto context = Context();
  const auto stream = stub_->EvaluateRobustness(context.get(), request);
  v1::EvaluateRobustnessResponse message;
  while (stream->Read(&message)) messages->push_back(message);
  return stream->Finish();
}

void ServerFixture::ExpectServes() {
  v1::ClassifyResponse response;
  const grpc::Status status =
      stub_->Classify(Context().get(), GoodClassify(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.results_size(), 2);
}

bool FindDetail(const grpc::Status& status, google::protobuf::Message* detail) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return false;
  for (const auto& any : details.details()) {
    if (any.type_url() ==
        "type.googleapis.com/" + detail->GetDescriptor()->full_name()) {
      return detail->ParseFromString(any.value());
    }
  }
  return false;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  if (!FindDetail(status, &info)) return "";
  EXPECT_EQ(info.domain(), "adv");
  return info.reason();
}

std::vector<std::string> FieldsOf(const grpc::Status& status) {
  google::rpc::BadRequest request;
  FindDetail(status, &request);
  std::vector<std::string> fields;
  for (const auto& violation : request.field_violations()) {
    fields.push_back(violation.field());
  }
  return fields;
}

}  // namespace adv
