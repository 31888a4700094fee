/**
 * Builds the base model in `models/pebble`: trains its tokenizer and all of its weights from scratch on text that
 * scripts/base-model generates, and writes it as a Hugging Face folder. The same seeds give the same text, order and
 * start; on another kind of processor the weights may differ in their last bits.
 *
 *     node scripts/build-base-model.ts [--steps N] [--out folder]
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Tokenizer } from "@huggingface/tokenizers";
import { formatDecoderConfig, type DecoderConfig } from "../src/model/config.ts";
import { RandomStream } from "../src/model/random-stream.ts";
import { writeSafetensors } from "../src/model/safetensors.ts";
import { parameterCount } from "../src/model/weights.ts";
import {
  endOfText,
  tokenizerConfigJson,
  tokenizerJson,
  trainByteLevelTokenizer,
} from "./base-model/byte-pair-encoding.ts";
import { pretrain } from "./base-model/pretraining.ts";
import { story } from "./base-model/stories.ts";
import { task } from "./base-model/tasks.ts";

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "2600" },
    out: { type: "string", default: join(import.meta.dirname, "../models/pebble") },
  },
});
const steps = Number(options.steps);

const seeds = { tokenizer: 1, weights: 2, text: 3, heldOutText: 4 } as const;
const vocabularySize = 1024;
const storyShare = 0.35;

function* documents(seed: number, share: number = storyShare): Generator<string> {
  const random = new RandomStream(seed);
  for (;;) yield random.uniform() < share ? story(random) : task(random);
}

function take<T>(items: Generator<T>, count: number): T[] {
  return Array.from({ length: count }, () => items.next().value as T);
}

const trained = trainByteLevelTokenizer(take(documents(seeds.tokenizer), 20_000), vocabularySize);
const contextLength = 512;
const json = { tokenizer: tokenizerJson(trained), config: tokenizerConfigJson(contextLength) };
const tokenizer = new Tokenizer(json.tokenizer, json.config);
const endToken = trained.vocabulary.get(endOfText) ?? 0;

const config: DecoderConfig = {
  vocabularySize: trained.vocabulary.size,
  hiddenSize: 128,
  intermediateSize: 384,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headSize: 32,
  maxContextLength: contextLength,
  normEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: true,
  queryKeyNorm: true,
  endTokens: [endToken],
};

/** Documents behind one another, each ended, cut into rows of one token more than a row trains on. */
function* rows(source: Generator<string>, length: number): Generator<Int32Array> {
  let pending: number[] = [];
  for (const text of source) {
    pending.push(...tokenizer.encode(text).ids, endToken);
    while (pending.length > length) {
      yield Int32Array.from(pending.slice(0, length + 1));
      pending = pending.slice(length);
    }
  }
}

const rowLength = 256;
const rowsPerStep = 16;
console.log(`${parameterCount(config)} parameters, vocabulary ${config.vocabularySize}`);
console.log(`${steps} steps of ${rowsPerStep * rowLength} tokens`);

const weights = await pretrain({
  config,
  seed: seeds.weights,
  steps,
  rowsPerStep,
  rows: rows(documents(seeds.text), rowLength),
  peakLearningRate: 4e-3,
  heldOut: {
    stories: take(rows(documents(seeds.heldOutText, 1), rowLength), rowsPerStep),
    tasks: take(rows(documents(seeds.heldOutText, 0), rowLength), rowsPerStep),
  },
  report: (line) => console.log(line),
});

await mkdir(options.out, { recursive: true });
const write = async (file: string, content: string | Uint8Array): Promise<void> => {
  await writeFile(join(options.out, file), content);
};
await write("config.json", `${JSON.stringify(formatDecoderConfig(config), undefined, 2)}\n`);
await write("tokenizer.json", `${JSON.stringify(json.tokenizer)}\n`);
await write("tokenizer_config.json", `${JSON.stringify(json.config, undefined, 2)}\n`);
await write("model.safetensors", writeSafetensors(weights, "BF16"));
console.log(`wrote ${options.out}`);
