#include "server/wire/reflection_service.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

namespace adv {
namespace {

using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using ::testing::Contains;
using ::testing::ElementsAre;

std::vector<std::string> FilesOf(const ServerReflectionResponse& response) {
  std::vector<std::string> names;
  for (const std::string& bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  return names;
}

TEST(ReflectionTest, ServicesAreListedOnce) {
  ServerReflectionRequest request;
  request.set_list_services("");
  std::vector<std::string> names;
  const ServerReflectionResponse response = Reflect(request);
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  EXPECT_THAT(names, ElementsAre("adv.v1.AttackEvaluationService",
                                 "adv.v1.ModelService", "adv.v1.ServerService",
                                 "grpc.health.v1.Health",
                                 "grpc.reflection.v1.ServerReflection",
                                 "grpc.reflection.v1alpha.ServerReflection",
                                 "inference.GRPCInferenceService"));
}

TEST(ReflectionTest, AFileComesWithAllThatItImports) {
  ServerReflectionRequest request;
  request.set_host("here");
  request.set_file_containing_symbol("adv.v1.ModelService.ListModels");
  const ServerReflectionResponse response = Reflect(request);
  EXPECT_EQ(response.valid_host(), "here");
  EXPECT_EQ(response.original_request().file_containing_symbol(),
            "adv.v1.ModelService.ListModels");
  const std::vector<std::string> files = FilesOf(response);
  EXPECT_EQ(files.front(), "adv/v1/model_service.proto");
  EXPECT_THAT(files, Contains("adv/v1/model.proto"));
  EXPECT_THAT(files, Contains("google/protobuf/timestamp.proto"));
  request.set_file_by_filename("adv/v1/model_service.proto");
  EXPECT_EQ(FilesOf(Reflect(request)), files);
}

TEST(ReflectionTest, WhatIsNotThereIsAnErrorOfTheStream) {
  std::vector<ServerReflectionRequest> requests(5);
  requests[0].set_file_by_filename("other.proto");
  requests[1].set_file_containing_symbol("other.Symbol");
  requests[2].mutable_file_containing_extension()->set_containing_type("other");
  requests[3].set_all_extension_numbers_of_type("other.Type");
  for (const ServerReflectionRequest& request : requests) {
    EXPECT_EQ(Reflect(request).error_response().error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
}

TEST(ReflectionTest, ExtensionsAreListed) {
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  const auto response = Reflect(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(),
            "google.protobuf.FieldOptions");
  request.mutable_file_containing_extension()->set_containing_type(
      "google.protobuf.FieldOptions");
  EXPECT_TRUE(Reflect(request).has_error_response());
}

}  // namespace
}  // namespace adv
