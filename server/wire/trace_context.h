#ifndef ADV_SERVER_WIRE_TRACE_CONTEXT_H_
#define ADV_SERVER_WIRE_TRACE_CONTEXT_H_

#include <absl/strings/string_view.h>

#include <string>

namespace adv {

// The trace id of a W3C traceparent, 32 lower-case hexadecimal digits, for
// example of "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01". Empty
// if it is malformed, which callers must then ignore. Of later versions than 00
// only the fields of 00 are read, as the standard asks.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_TRACE_CONTEXT_H_
