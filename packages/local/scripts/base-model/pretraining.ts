import type { Tensor } from "onnxruntime-node";
import { AdamOptimizer } from "../../src/engine/adam.ts";
import { NativeCalls } from "../../src/engine/native-calls.ts";
import { lossFunction } from "../../src/engine/losses.ts";
import { float32Result, float32Tensor, openSession, type Session } from "../../src/engine/runtime.ts";
import { trainingBatch } from "../../src/engine/training-batch.ts";
import type { DecoderConfig } from "../../src/model/config.ts";
import { randomWeights } from "../../src/model/random-weights.ts";
import { toBfloat16 } from "../../src/model/safetensors.ts";
import { trainingGraph, trainingNames } from "../../src/model/training-graph.ts";
import { parameterCount, type Tensor as WeightTensor, type Weights } from "../../src/model/weights.ts";

export interface PretrainingOptions {
  readonly config: DecoderConfig;
  readonly seed: number;
  readonly steps: number;
  readonly rowsPerStep: number;
  /** Endless; each row has one token more than it trains on. */
  readonly rows: Generator<Int32Array>;
  readonly peakLearningRate: number;
  readonly heldOut: Readonly<Record<string, readonly Int32Array[]>>;
  readonly report: (line: string) => void;
}

const warmUpSteps = 100;
const reportEvery = 50;

/** Trains all weights on next-token prediction with AdamW, warm-up and cosine decay, and rounds them to bfloat16. */
export async function pretrain(options: PretrainingOptions): Promise<Weights> {
  const { config, steps, report } = options;
  const session = await openSession(trainingGraph({ config, modules: [], trains: "weights" }), {
    threads: 2,
    nativeCalls: new NativeCalls(),
  });
  const { flat, weights } = flatWeights(config, options.seed);
  const optimizer = new AdamOptimizer(flat.length);
  const model: Trainee = { session, weights: feedsOf(weights) };

  const started = performance.now();
  let recent = 0;
  for (let step = 1; step <= steps; step++) {
    const batch = Array.from({ length: options.rowsPerStep }, () => options.rows.next().value as Int32Array);
    const { loss, gradient } = await run(model, batch);
    optimizer.step(flat, gradient, {
      learningRate: options.peakLearningRate * schedule(step, steps),
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-8,
      weightDecay: 0.05,
      gradClipNorm: 1,
    });
    recent += loss / reportEvery;
    if (step % reportEvery === 0) {
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      report(`step ${step}  loss ${recent.toFixed(4)} nats per token  ${seconds} s`);
      recent = 0;
    }
    if (step % 500 === 0) await reportHeldOut(model, options);
  }

  for (const { data } of weights.values()) roundToBfloat16(data);
  report("rounded to bfloat16");
  await reportHeldOut(model, options);
  await session.release();
  return weights;
}

interface Trainee {
  readonly session: Session;
  readonly weights: Readonly<Record<string, Tensor>>;
}

async function reportHeldOut(model: Trainee, { heldOut, report }: PretrainingOptions): Promise<void> {
  for (const [name, rows] of Object.entries(heldOut)) {
    const { loss } = await run(model, rows);
    report(`  held-out ${name}: ${loss.toFixed(4)} nats per token`);
  }
}

/** Mean loss per token of the rows, and its gradient. */
async function run(model: Trainee, rows: readonly Int32Array[]) {
  const count = rows.reduce((sum, { length }) => sum + length - 1, 0);
  const examples = rows.map((row) => ({
    tokens: row.slice(0, -1),
    targets: row.slice(1),
    weights: new Float32Array(row.length - 1).fill(1 / count),
  }));
  const group = examples.map((_, index) => index);
  const { feeds } = trainingBatch(examples, group, lossFunction("cross_entropy", {}), "training");
  const results = await model.session.run({ ...model.weights, ...feeds });
  const logprobs = float32Result(results, trainingNames.logprobs);
  const loss = -logprobs.reduce((sum, logprob) => sum + logprob, 0) / count;
  return { loss, gradient: float32Result(results, trainingNames.gradient) };
}

/** All weights as views of one array, in the order in which the graph returns their gradients. */
function flatWeights(config: DecoderConfig, seed: number): { flat: Float32Array; weights: Weights } {
  const flat = new Float32Array(parameterCount(config));
  const weights = new Map<string, WeightTensor>();
  let start = 0;
  for (const [name, { shape, data }] of randomWeights(config, seed)) {
    flat.set(data, start);
    weights.set(name, { shape, data: flat.subarray(start, start + data.length) });
    start += data.length;
  }
  return { flat, weights };
}

function feedsOf(weights: Weights): Record<string, Tensor> {
  return Object.fromEntries([...weights].map(([name, { data, shape }]) => [name, float32Tensor(data, shape)]));
}

function schedule(step: number, steps: number): number {
  if (step < warmUpSteps) return step / warmUpSteps;
  const progress = (step - warmUpSteps) / Math.max(1, steps - warmUpSteps);
  return 0.05 + 0.95 * 0.5 * (1 + Math.cos(Math.PI * progress));
}

function roundToBfloat16(data: Float32Array): void {
  const rounded = new Uint32Array(toBfloat16(data)).map((half) => half << 16);
  data.set(new Float32Array(rounded.buffer));
}
