#ifndef ADV_CLIENT_SESSION_PEM_H_
#define ADV_CLIENT_SESSION_PEM_H_

#include <string>

#include "absl/status/status.h"

namespace adv {

// gRPC tells of a wrong certificate or key on its log alone, if at all, so
// they are looked at before it gets them. All errors are INVALID_ARGUMENT.

// Whether a text holds a certificate in PEM.
absl::Status CheckCertificate(const std::string& pem);

// Whether a key belongs to a certificate, and needs no password.
absl::Status CheckKeyPair(const std::string& certificate,
                          const std::string& key);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_PEM_H_
