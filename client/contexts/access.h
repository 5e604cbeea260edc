#ifndef ADV_CLIENT_CONTEXTS_ACCESS_H_
#define ADV_CLIENT_CONTEXTS_ACCESS_H_

#include <map>
#include <string>

#include "command_line/flags.h"

namespace adv {

// How a server is reached. What is empty was not said.
struct ServerAccess {
  std::string server;       // address, or several with commas between
  bool tls = false;         // also without a file below
  std::string ca;           // PEM file: who signed the server's certificate
  std::string certificate;  // PEM file: the certificate to show
  std::string key;          // PEM file: its key
  std::string token_file;   // holds a bearer token
  std::string server_name;  // what the server's certificate must name

  // Whether calls go over TLS.
  bool UsesTls() const {
    return tls || !ca.empty() || !certificate.empty() || !key.empty();
  }
};

// The texts of an access: --server-name is the field server_name.
struct AccessField {
  const char* name;
  std::string ServerAccess::*value;
  bool is_file;
};
inline constexpr AccessField kAccessFields[] = {
    {"server", &ServerAccess::server, false},
    {"ca", &ServerAccess::ca, true},
    {"certificate", &ServerAccess::certificate, true},
    {"key", &ServerAccess::key, true},
    {"token_file", &ServerAccess::token_file, true},
    {"server_name", &ServerAccess::server_name, false}};

// What the user said of the server, apart for each source.
struct AccessFlags {
  std::map<FlagSource, ServerAccess> given;
  std::string context;  // of --context; empty: the current one
  FlagSource context_source = FlagSource::kDefault;

  // As if the command line had said `address` and nothing else: no context
  // counts, and no token goes there.
  static AccessFlags To(std::string address);

  // `access` with what was given in place of its own, by sources that are not
  // weaker than `weakest`; the stronger source wins.
  ServerAccess Over(ServerAccess access,
                    FlagSource weakest = FlagSource::kDefault) const;

  // Whether a context counts: none does if --server has a stronger source than
  // --context, because a token must not go to an address that it is not for.
  bool UsesContext() const;
};

// The same access for any working folder: files and Unix sockets have absolute
// paths.
ServerAccess Absolute(ServerAccess access);

}  // namespace adv

#endif  // ADV_CLIENT_CONTEXTS_ACCESS_H_
