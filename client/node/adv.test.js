// Against a real server: ADV_SERVER=HOST:PORT npm test

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import grpc from '@grpc/grpc-js';

import {
  AdvError, connect, evaluate, tlsCredentials, uint8Images,
} from './adv.js';
import { definitions } from './protos.js';

const SERVER = process.env.ADV_SERVER ?? 'localhost:50051';
const SAMPLE = process.env.ADV_SAMPLE ?? fileURLToPath(
  new URL('../../model_store/zoo/cifar10-sample.bin', import.meta.url));
const PUSHBACK = 300; // milliseconds

const records = readFileSync(SAMPLE);
const label = (i) => records[i * 3073];
const images = (count) => uint8Images(
  Buffer.concat(Array.from({ length: count }, (_, i) =>
    records.subarray(i * 3073 + 1, (i + 1) * 3073))),
  [count, 3, 32, 32], 'IMAGE_LAYOUT_NCHW');

const client = connect(SERVER);
after(() => client.close());

test('most images get their label', async () => {
  const { model, results } = await client.classify(
    { model: 'balanced', images: images(50), top_k: 1 });
  assert.equal(model.name, 'balanced');
  const right = results.filter(({ top }, i) => top[0].label === label(i));
  assert.ok(right.length > 30, `${right.length} of 50`);
});

test('an attack stays within epsilon and fools', async () => {
  const given = images(8);
  const reply = await client.generateAdversarial({
    model: 'balanced', images: given, attack: { igsm: {} },
    epsilon: { levels: 8 }, eight_bit: true,
  });
  const changes = reply.images.data.map((byte, i) =>
    Math.abs(byte - given.data[i]));
  assert.equal(Math.max(...changes), 8);
  assert.ok(reply.results.some(({ record }) => record.success));
});

test('an evaluation tells its progress and gives its report', async () => {
  const seen = [];
  let id;
  const report = await evaluate(client, {
    model: 'no-cat', samples: 100, attacks: [{ fgsm: {} }],
    epsilons: [{ levels: 2 }],
  }, {
    onStart: (evaluation) => { id = evaluation.id; },
    onProgress: (progress) => seen.push(progress.samples_done),
  });
  assert.ok(seen.length > 0 && seen.at(-1) <= 100, `${seen}`);
  assert.equal(report.results[0].overall.clean_accuracy.total, 100);
  const page = await client.listEvaluationRecords({ id, page_size: 30 });
  assert.equal(page.records.length, 30);
  assert.ok(page.next_page_token);
  assert.deepEqual(await client.deleteEvaluation({ id }), {});
});

test('cancelling ends an evaluation, leaving does not', async () => {
  const spec = { model: 'no-cat', attacks: [{ pgd: { steps: 500 } }] };
  let id;
  for await (const { event, evaluation } of
    client.evaluateRobustness({ spec })) {
    if (event === 'evaluation') id = evaluation.id;
    else break;
  }
  const { evaluation } = await client.getEvaluation({ id });
  assert.equal(evaluation.state, 'EVALUATION_STATE_RUNNING');
  await assert.rejects(evaluate(client, spec, {
    onStart: () => client.cancelEvaluation({ id }),
  }), { code: 'ABORTED', reason: 'EVALUATION_CANCELLED',
    metadata: { evaluation_id: id } });
});

test('errors say what is wrong', async () => {
  const faulty = {
    model: 'balanced', images: images(2), labels: [3, 77],
    attack: { pgd: { steps: 0 } }, epsilon: { levels: 8 },
  };
  await assert.rejects(client.generateAdversarial(faulty), (error) => {
    assert.ok(error instanceof AdvError);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.equal(error.reason, 'INVALID_REQUEST');
    assert.deepEqual(error.violations.map(({ field }) => field),
      ['labels[1]', 'attack.pgd.steps']);
    assert.match(error.requestId, /^\w+$/);
    return true;
  });
  await assert.rejects(client.getModel({ model: 'lion' }), (error) => {
    assert.equal(error.reason, 'MODEL_NOT_FOUND');
    assert.equal(error.resource.resource_name, 'lion');
    assert.match(error.message, /balanced/);
    return true;
  });
});

test('what the loader would drop is refused here', async () => {
  for (const [wrong, text] of [
    [{ modle: 'balanced' }, /^modle: .*only model,/],
    [{ attack: { pgd: { stepz: 3 } } }, /^attack\.pgd\.stepz: /],
    [{ attack: { pgd: { steps: 1.5 } } }, /^attack\.pgd\.steps: 1\.5 is not/],
    [{ norm: 'L2' }, /^norm: L2 is not one of .*NORM_L2/],
    [{ labels: [1, 'cat'] }, /^labels\[1\]: cat is not a whole/],
    [{ labels: 1 }, /^labels: 1 is not an array/],
    [{ epsilon: '8/255' }, /^epsilon: 8\/255 is not an object/],
    [{ epsilon: { levels: '8' } }, /^epsilon\.levels: 8 is not a number/],
  ]) {
    await assert.rejects(client.generateAdversarial(wrong),
      { name: 'TypeError', message: text });
  }
});

test('a timeout and a signal end a call', async () => {
  const drain = async (seed, options) => {
    const spec = { model: 'no-cat', attacks: [{ pgd: { steps: 500 } }], seed };
    const request = { spec, cancel_on_disconnect: true };
    for await (const _ of client.evaluateRobustness(request, options));
  };
  await assert.rejects(drain(1, { timeout: 0.3 }),
    { code: 'DEADLINE_EXCEEDED' });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 300);
  await assert.rejects(drain(2, { signal: controller.signal }),
    { code: 'CANCELLED' });
});

test('models, server and health answer', async () => {
  const { models } = await client.listModels();
  assert.ok(models.some(({ name }) => name === 'no-cat'));
  const info = await client.getServerInfo();
  assert.equal(info.limits.images_per_request, 1024);
  for (const service of ['', 'adv.v1.AttackEvaluationService']) {
    assert.equal((await client.check({ service })).status, 'SERVING');
  }
});

test('a refused call is repeated when the server says', async (t) => {
  const times = [];
  const fake = new grpc.Server();
  t.after(() => fake.forceShutdown());
  fake.addService(definitions['adv.v1.AttackEvaluationService'], {
    Classify(call, done) {
      times.push(Date.now());
      if (times.length > 2) return done(null, {});
      const metadata = new grpc.Metadata();
      metadata.set('grpc-retry-pushback-ms', String(PUSHBACK));
      done({ code: grpc.status.RESOURCE_EXHAUSTED, metadata });
    },
  });
  const port = await promisify(fake.bindAsync.bind(fake))(
    '127.0.0.1:0', grpc.ServerCredentials.createInsecure());
  const away = connect(`127.0.0.1:${port}`);
  t.after(() => away.close());
  await away.classify({ model: 'balanced', images: images(400) }); // 1.2 MB
  assert.equal(times.length, 3);
  assert.ok(times[1] - times[0] > 0.9 * PUSHBACK);
});

test('TLS shows a certificate, and every call a token', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'adv-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const key = join(folder, 'key');
  const certificate = join(folder, 'pem');
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'rsa:2048',
    '-nodes', '-subj', '/CN=localhost', '-addext',
    'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate]);
  const tokens = [];
  const fake = new grpc.Server();
  t.after(() => fake.forceShutdown());
  fake.addService(definitions['adv.v1.AttackEvaluationService'], {
    Classify(call, done) {
      tokens.push(...call.metadata.get('authorization'));
      done(null, {});
    },
  });
  const root = readFileSync(certificate);
  const port = await promisify(fake.bindAsync.bind(fake))('localhost:0',
    grpc.ServerCredentials.createSsl(root, [
      { private_key: readFileSync(key), cert_chain: root }], true));
  const known = connect(`localhost:${port}`, tlsCredentials(
    { ca: certificate, certificate, key, token: 'secret' }));
  t.after(() => known.close());
  await known.classify({ model: 'balanced', images: images(1) });
  assert.deepEqual(tokens, ['Bearer secret']);
  const unknown = connect(`localhost:${port}`,
    tlsCredentials({ ca: certificate }));
  t.after(() => unknown.close());
  await assert.rejects(
    unknown.classify({ model: 'balanced', images: images(1) }, { timeout: 5 }),
    (error) => ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code));
});

test('the example runs', async () => {
  const { stdout } = await promisify(execFile)(process.execPath,
    [fileURLToPath(new URL('example.js', import.meta.url)), SERVER]);
  for (const line of [/^classified: ship/m, /^ {2}\d+ of 200$/m,
    /^cancelled: {2}EVALUATION_CANCELLED$/m,
    /^ {2}labels\[1\] is 77; must be 0 to 9$/m]) {
    assert.match(stdout, line);
  }
});
