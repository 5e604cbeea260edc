// Classifies images, attacks them, runs an evaluation with progress, cancels
// another, and shows what an error says: node example.js [HOST:PORT]

import { readFileSync } from 'node:fs';

import { AdvError, connect, evaluate, uint8Images } from './adv.js';

const SAMPLE = new URL('../../model_store/zoo/cifar10-sample.bin',
  import.meta.url);
const percent = (rate) => `${(100 * rate.value).toFixed(1)} %`;

const client = connect(process.argv[2]);

// A record is a byte of label, then 3 x 32 x 32 bytes of pixels.
const records = readFileSync(process.env.ADV_SAMPLE ?? SAMPLE);
const pixels = Buffer.concat([1, 2, 3, 4].map((i) =>
  records.subarray(i * 3073 + 1, (i + 1) * 3073)));
const images = uint8Images(pixels, [4, 3, 32, 32], 'IMAGE_LAYOUT_NCHW');

const seen = await client.classify({ model: 'balanced', images, top_k: 1 });
console.log('classified:', seen.results.map(({ top: [best] }) =>
  `${best.class_name} (${best.probability.toFixed(2)})`).join(', '));

const fooled = await client.generateAdversarial({
  model: 'balanced',
  images,
  attack: { igsm: { steps: 10 } },
  epsilon: { levels: 8 },
  eight_bit: true,
});
console.log('attacked:  ', fooled.results.map(({ adversarial: { top } }) =>
  top[0].class_name).join(', '));

const report = await evaluate(client, {
  model: 'no-cat',
  samples: 200,
  attacks: [{ fgsm: {} }],
  epsilons: [{ pixels: 0.01 }],
}, {
  onStart: ({ id }) => console.log('evaluation', id.slice(0, 12)),
  onProgress: ({ samples_done, samples_total }) =>
    console.log(`  ${samples_done} of ${samples_total}`),
});
const { overall } = report.results[0];
console.log('clean', percent(overall.clean_accuracy),
  'robust', percent(overall.robust_accuracy));

try {
  await evaluate(client, {
    model: 'no-cat', attacks: [{ pgd: { steps: 500 } }], seed: 7,
  }, { onStart: ({ id }) => client.cancelEvaluation({ id }) });
} catch (error) {
  if (!(error instanceof AdvError)) throw error;
  console.log('cancelled: ', error.reason);
}

try {
  await client.generateAdversarial({
    model: 'balanced', images, labels: [3, 77, 8, 0],
    attack: { pgd: { steps: 0 } }, epsilon: { levels: 8 },
  });
} catch (error) {
  if (!(error instanceof AdvError)) throw error;
  console.log('refused:   ', error.reason);
  for (const { field, description } of error.violations) {
    console.log(`  ${field} ${description}`);
  }
}
client.close();
