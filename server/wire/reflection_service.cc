#include "server/wire/reflection_service.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>
#include <vector>

#include "server/security/rules.h"

namespace adv {
namespace {

namespace v1_reflection = grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using v1_reflection::ServerReflectionRequest;
using v1_reflection::ServerReflectionResponse;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void NotThere(absl::string_view what, ServerReflectionResponse* response) {
  auto* error = response->mutable_error_response();
  error->set_error_code(grpc::StatusCode::NOT_FOUND);
  error->set_error_message(absl::StrCat("not found: ", what));
}

// Adds the file behind all that it imports, each once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>* seen,
             v1_reflection::FileDescriptorResponse* files) {
  if (!seen->insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  files->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), seen, files);
  }
}

void AnswerFile(const FileDescriptor* file, const std::string& name,
                ServerReflectionResponse* response) {
  if (file == nullptr) return NotThere(name, response);
  std::set<const FileDescriptor*> seen;
  AddFile(*file, &seen, response->mutable_file_descriptor_response());
}

void AnswerServices(ServerReflectionResponse* response) {
  std::set<std::string> names;
  for (const Rule& rule : Rules()) {
    const std::string method = rule.method;
    names.insert(method.substr(0, method.find('/')));
  }
  auto* services = response->mutable_list_services_response();
  for (const std::string& name : names) services->add_service()->set_name(name);
}

void AnswerExtensions(const std::string& type,
                      ServerReflectionResponse* response) {
  const auto* const message = Pool().FindMessageTypeByName(type);
  if (message == nullptr) return NotThere(type, response);
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(message, &extensions);
  auto* numbers = response->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(type);
  for (const FieldDescriptor* extension : extensions) {
    numbers->add_extension_number(extension->number());
  }
}

const FileDescriptor* FileOfExtension(
    const v1_reflection::ExtensionRequest& request) {
  const auto* const message =
      Pool().FindMessageTypeByName(request.containing_type());
  if (message == nullptr) return nullptr;
  const auto* const field =
      Pool().FindExtensionByNumber(message, request.extension_number());
  return field == nullptr ? nullptr : field->file();
}

// Reads a question, writes its answer, and so on until the caller is done. One
// operation of gRPC is under way at any time, and its end begins the next.
class Reflection final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Reflection(grpc::CallbackServerContext* context, RpcMetrics& metrics,
             const Parts& parts)
      // Callers keep these streams open, so a drain must not wait for them.
      : frame_(context, metrics, parts, WhileDraining::kIsCutOff) {
    StartRead(&bytes_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(frame_.End(absl::OkStatus()));
    ServerReflectionRequest request;
    absl::Status status = frame_.Receive(&bytes_, &request);
    if (status.ok()) status = WriteMessage(Reflect(request), &bytes_);
    if (!status.ok()) return Finish(frame_.End(status));
    StartWrite(&bytes_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(frame_.End(frame_.Cancelled()));
    StartRead(&bytes_);
  }
  void OnDone() override { delete this; }

  CallFrame frame_;
  grpc::ByteBuffer bytes_;
};

}  // namespace

ServerReflectionResponse Reflect(const ServerReflectionRequest& request) {
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename: {
      const std::string& name = request.file_by_filename();
      AnswerFile(Pool().FindFileByName(name), name, &response);
      break;
    }
    case ServerReflectionRequest::kFileContainingSymbol: {
      const std::string& name = request.file_containing_symbol();
      AnswerFile(Pool().FindFileContainingSymbol(name), name, &response);
      break;
    }
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& extension = request.file_containing_extension();
      AnswerFile(FileOfExtension(extension), extension.containing_type(),
                 &response);
      break;
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      AnswerExtensions(request.all_extension_numbers_of_type(), &response);
      break;
    case ServerReflectionRequest::kListServices:
      AnswerServices(&response);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      NotThere("a question", &response);
      break;
  }
  return response;
}

template <typename Protocol>
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
ReflectionService<Protocol>::ServerReflectionInfo(
    grpc::CallbackServerContext* context) {
  return new Reflection(context, metrics_, parts_);
}

template class ReflectionService<grpc::reflection::v1::ServerReflection>;
template class ReflectionService<grpc::reflection::v1alpha::ServerReflection>;

}  // namespace adv
