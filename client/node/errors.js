// What a call that failed throws.

import grpc from '@grpc/grpc-js';

import { definitions } from './protos.js';

const DETAILS = 'grpc-status-details-bin';

// {ErrorInfo: {...}, BadRequest: {...}, ...} of what an error carries.
function detailsOf(metadata) {
  const found = {};
  const [packed] = metadata?.get(DETAILS) ?? [];
  if (!packed) return found;
  for (const { type_url, value } of
    definitions['google.rpc.Status'].deserialize(packed).details) {
    const name = type_url.slice(type_url.lastIndexOf('/') + 1);
    const definition = definitions[name];
    if (!definition) continue; // a detail that this client does not know
    found[name.slice('google.rpc.'.length)] = definition.deserialize(value);
  }
  return found;
}

export class AdvError extends Error {
  // error: what @grpc/grpc-js gives.
  constructor(error) {
    const code = grpc.status[error.code] ?? 'UNKNOWN';
    super(`${code}: ${error.details}`);
    const { ErrorInfo, BadRequest, ResourceInfo, RetryInfo } =
      detailsOf(error.metadata);
    this.name = 'AdvError';
    // The name of the status code: 'NOT_FOUND'.
    this.code = code;
    // 'MODEL_NOT_FOUND'; empty if gRPC itself refused.
    this.reason = ErrorInfo?.reason ?? '';
    // More facts about the reason.
    this.metadata = ErrorInfo?.metadata ?? {};
    // Every field that is wrong: [{field, description}].
    this.violations = BadRequest?.field_violations ?? [];
    // What is missing: {resource_type, resource_name}.
    this.resource = ResourceInfo ?? null;
    // Seconds until it is worth another try.
    this.retryAfter = RetryInfo
      ? RetryInfo.retry_delay.seconds + RetryInfo.retry_delay.nanos / 1e9
      : null;
    // Finds the call in the server's log.
    this.requestId = error.metadata?.get('x-request-id')[0] ?? '';
  }
}
