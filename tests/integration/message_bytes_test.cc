#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>

#include "tests/integration/server_fixture.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

class MessageBytesTest : public ServerFixture {};

TEST_F(MessageBytesTest, BytesThatAreNoRequestAreCalledThatByEveryMethod) {
  grpc::GenericStub generic(channel_);
  grpc::Slice garbage(std::string(4, '\xff'));
  const grpc::ByteBuffer request(&garbage, 1);
  for (const char* name :
       {"AttackEvaluationService", "ModelService", "ServerService"}) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
            std::string("adv.v1.") + name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      grpc::ByteBuffer response;
      const auto context = Context();
      std::promise<grpc::Status> done;
      generic.UnaryCall(
          context.get(), "/" + service->full_name() + "/" + method->name(), {},
          &request, &response,
          [&](grpc::Status status) { done.set_value(std::move(status)); });
      const grpc::Status status = done.get_future().get();
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
          << method->full_name();
      EXPECT_THAT(status.error_message(),
                  HasSubstr("no " + method->input_type()->full_name()));
      EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
    }
  }
  ExpectServes();
}

TEST_F(MessageBytesTest, CompressedRequestsAreServed) {
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    v1::ClassifyRequest request = GoodClassify();
    v1::ClassifyResponse plain;
    ASSERT_TRUE(stub_->Classify(Context().get(), request, &plain).ok());
    const auto context = Context();
    context->set_compression_algorithm(algorithm);
    v1::ClassifyResponse response;
    const grpc::Status status =
        stub_->Classify(context.get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.SerializeAsString(), plain.SerializeAsString());
  }
}

TEST_F(MessageBytesTest, TheLimitOfAMessageHoldsForWhatIsInflated) {
  Options options = DefaultOptions();
  options.limits.message_bytes = 100'000;
  Restart(options);
  v1::ClassifyRequest request = GoodClassify();
  for (const bool fits : {true, false}) {
    request.mutable_images()->set_data(std::string(fits ? 90'000 : 110'000, 0));
    const auto context = Context();
    context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    v1::ClassifyResponse response;
    const grpc::Status status =
        stub_->Classify(context.get(), request, &response);
    EXPECT_EQ(ReasonOf(status), fits ? "INVALID_REQUEST" : "MESSAGE_TOO_LARGE");
    EXPECT_THAT(status.error_message(), HasSubstr(fits ? "shape" : "100000"));
  }
}

}  // namespace
}  // namespace adv
