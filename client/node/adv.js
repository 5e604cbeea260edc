// A client of advserver: calls as promises, streams as async iterators, errors
// with their reasons.
//
//   import { connect, uint8Images } from './adv.js';
//   const client = connect('localhost:50051');
//   const reply = await client.classify({ model: 'no-cat', images, top_k: 3 });

import { readFileSync } from 'node:fs';

import grpc from '@grpc/grpc-js';

import { checkMessage } from './check.js';
import { AdvError } from './errors.js';
import { definitions } from './protos.js';

export { AdvError };

const CALL_SECONDS = 60;
const EVALUATION_SECONDS = 24 * 3600;
const MESSAGE_BYTES = 256 * 2 ** 20;

const SERVICES = [
  'adv.v1.AttackEvaluationService', 'adv.v1.ModelService',
  'adv.v1.ServerService', 'grpc.health.v1.Health',
];

// All calls of the API but DeleteEvaluation, whose repetition is an error.
const repeatable = SERVICES.slice(0, 3).flatMap((service) =>
  Object.keys(definitions[service])
    .filter((method) => method !== 'DeleteEvaluation')
    .map((method) => ({ service, method })));

// gRPC itself repeats calls, and honours the server's grpc-retry-pushback-ms.
const OPTIONS = {
  'grpc.service_config': JSON.stringify({
    methodConfig: [{
      name: repeatable,
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: '0.2s',
        maxBackoff: '3s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'],
      },
    }],
  }),
  'grpc.max_receive_message_length': MESSAGE_BYTES,
  // A larger request would be sent once and never again.
  'grpc.per_rpc_retry_buffer_size': MESSAGE_BYTES,
  'grpc.retry_buffer_size': MESSAGE_BYTES,
};

const deadline = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

// Ends the call when the AbortSignal says so; returns how to stop listening.
function cancelOn(signal, call) {
  const cancel = () => call.cancel();
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

// (request, {timeout: seconds, signal: AbortSignal}) => a promise of the reply.
function unary(stub, name, { requestType }) {
  return (request = {}, { timeout = CALL_SECONDS, signal } = {}) =>
    new Promise((resolve, reject) => {
      checkMessage(requestType, request);
      let stop;
      const call = stub[name](request, deadline(timeout), (error, reply) => {
        stop?.();
        if (error) reject(new AdvError(error));
        else resolve(reply);
      });
      stop = cancelOn(signal, call);
    });
}

// (request, {timeout, signal}) => an async iterator of messages. Leaving the
// loop ends the call.
function stream(stub, name, { requestType }) {
  return async function* (
    request = {}, { timeout = EVALUATION_SECONDS, signal } = {}) {
    checkMessage(requestType, request);
    const call = stub[name](request, deadline(timeout));
    const stop = cancelOn(signal, call);
    try {
      yield* call;
    } catch (error) {
      throw new AdvError(error);
    } finally {
      stop();
      call.cancel();
    }
  };
}

// Credentials for connect(): TLS with files in PEM (without ca the roots that
// Node.js brings along), and a token that goes with every call.
export function tlsCredentials({ ca, certificate, key, token } = {}) {
  const content = (path) => (path === undefined ? null : readFileSync(path));
  const tls = grpc.credentials.createSsl(
    content(ca), content(key), content(certificate));
  if (token === undefined) return tls;
  return grpc.credentials.combineChannelCredentials(tls,
    grpc.credentials.createFromMetadataGenerator((_, done) => {
      const metadata = new grpc.Metadata();
      metadata.set('authorization', `Bearer ${token}`);
      done(null, metadata);
    }));
}

// A client with a method for every call of the API: classify,
// generateAdversarial, evaluateRobustness, getEvaluation, ..., and check and
// watch of the health service. It connects at the first call.
export function connect(
  address = 'localhost:50051',
  credentials = grpc.credentials.createInsecure()) {
  const client = {};
  const stubs = [];
  for (const service of SERVICES) {
    const Stub = grpc.makeGenericClientConstructor(definitions[service]);
    const stub = new Stub(address, credentials, {
      ...OPTIONS,
      channelOverride: stubs[0]?.getChannel(),
    });
    stubs.push(stub);
    for (const [method, definition] of Object.entries(definitions[service])) {
      const name = method[0].toLowerCase() + method.slice(1);
      client[name] = (definition.responseStream ? stream : unary)(
        stub, method, definition);
    }
  }
  client.close = () => stubs[0].close();
  return client;
}

// An ImageBatch of RGB bytes; shape is [images, height, width, 3], or
// [images, 3, height, width] with the layout 'IMAGE_LAYOUT_NCHW'.
export function uint8Images(data, shape, layout = 'IMAGE_LAYOUT_NHWC') {
  return { data, shape, layout, data_type: 'DATA_TYPE_UINT8' };
}

// Runs an evaluation, or attaches to it, and gives its report. onStart gets the
// Evaluation with its id, onProgress each EvaluationProgress. Ending the call
// leaves the evaluation running: cancelEvaluation({id}) ends it.
export async function evaluate(
  client, spec, { onStart, onProgress, ...options } = {}) {
  let report = null;
  for await (const { event, ...message } of
    client.evaluateRobustness({ spec }, options)) {
    if (event === 'evaluation') onStart?.(message.evaluation);
    else if (event === 'progress') onProgress?.(message.progress);
    else report = message.report;
  }
  return report;
}
