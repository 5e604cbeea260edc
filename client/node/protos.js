// The API, read from the protos when the program starts. Names are those of the
// protos; 64-bit integers are numbers, which are exact up to 2^53 (write a
// larger seed as a string).

import { fileURLToPath } from 'node:url';

import { loadSync } from '@grpc/proto-loader';

const folder = process.env.ADV_PROTOS ??
  fileURLToPath(new URL('../../proto', import.meta.url));

export const definitions = loadSync([
  'adv/v1/attack_evaluation_service.proto',
  'adv/v1/model_service.proto',
  'adv/v1/server_service.proto',
  'google/rpc/error_details.proto',
  'google/rpc/status.proto',
  'grpc/health/v1/health.proto',
], {
  includeDirs: [folder],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});
