#ifndef ADV_CLIENT_SESSION_CREDENTIALS_H_
#define ADV_CLIENT_SESSION_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/contexts/access.h"
#include "grpcpp/security/credentials.h"

namespace adv {

// What a channel proves and checks.
struct Credentials {
  std::shared_ptr<grpc::ChannelCredentials> channel;
  std::string warning;  // for the user; empty if all is well
};

// Reads the files of an access to a gRPC target. With a token every call of the
// channel, also one that gRPC itself makes, has "authorization: Bearer TOKEN".
// INVALID_ARGUMENT, with the flag's name, if a file is not what it should be,
// one of certificate and key is missing, or a token would leave this machine
// without TLS.
absl::StatusOr<Credentials> LoadCredentials(const ServerAccess& access,
                                            const std::string& target);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CREDENTIALS_H_
