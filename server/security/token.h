#ifndef ADV_SERVER_SECURITY_TOKEN_H_
#define ADV_SERVER_SECURITY_TOKEN_H_

#include <string>

namespace adv {

// A new token: "adv_" and 256 random bits, as 43 letters, digits, - and _.
std::string NewToken();

// The entry of an identity with this token for the file of --identities.
std::string IdentityEntry(const std::string& name, const std::string& role,
                          const std::string& token);

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_TOKEN_H_
