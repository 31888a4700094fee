import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { test } from "vitest";
import { EngineError } from "../../src/engine/engine.ts";
import { OnnxEngine } from "../../src/engine/onnx-engine.ts";
import { loadBaseModel } from "../../src/model/base-model-files.ts";
import { formatDecoderConfig, parseDecoderConfig } from "../../src/model/config.ts";
import { writeSafetensors } from "../../src/model/safetensors.ts";
import { rotationAngles } from "../../src/model/rotation.ts";
import { parameterCount } from "../../src/model/weights.ts";
import { loadTokenizer } from "../../src/sampling/tokenizer.ts";
import { shippedModel } from "../../src/shipped-model.ts";
import { sampleWork, tinyConfig, tinyModel } from "./support/tiny-model.ts";

async function temporaryFolder(files: Readonly<Record<string, string | Uint8Array>>) {
  const path = await mkdtemp(join(tmpdir(), "tinkex-model-"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return {
    path,
    [Symbol.asyncDispose]: async () => rm(path, { recursive: true }),
  };
}

test("the shipped model loads, and its tokenizer returns any text as it was", async ({ expect }) => {
  const { config, name } = await loadBaseModel(shippedModel.folder, shippedModel.name);
  expect(name).toBe("tinkex/pebble");
  expect(parameterCount(config)).toBeLessThan(3_000_000);
  const tokenizer = await loadTokenizer(shippedModel.folder);
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 30 }), (text) => {
      const { ids } = tokenizer.encode(text);
      expect(ids.every((id: number) => id >= 0 && id < config.vocabularySize)).toBe(true);
      expect(tokenizer.decode(ids, { skip_special_tokens: false })).toBe(text);
    }),
    { seed: 1, numRuns: 200 },
  );
  // A word has the same tokens wherever it stands.
  const [alone, quoted] = ["lamp", 'a "lamp" on'].map((text) => tokenizer.encode(text).ids.join());
  expect(quoted).toContain(alone);
});

test("the shipped model copies what it is told to, and stops at a string", async ({ expect }) => {
  await using engine = await OnnxEngine.create({ models: [shippedModel] });
  const tokenizer = await loadTokenizer(shippedModel.folder);
  const complete = async (prompt: string, stop: readonly string[]) => {
    const { sequences } = await engine.sample(
      sampleWork({
        weights: { baseModel: shippedModel.name },
        prompt: Int32Array.from(tokenizer.encode(prompt).ids),
        maxTokens: 24,
        temperature: 0,
        stop: { strings: stop },
      }),
    );
    return { ...sequences[0]!, text: tokenizer.decode([...sequences[0]!.tokens]) };
  };
  const copied = await complete("copy: drum bell kite\n", ["\n"]);
  expect(copied.text).toMatch(/^drum bell kite/);
  // The stop string begins inside one token and ends inside another; the text up to it stays.
  const cut = await complete("copy: drum bell kite\n", ["ll ki"]);
  expect(cut).toMatchObject({ text: "drum bell kite", stopReason: "stop" });
  const uncut = await complete("copy: drum bell kite\n", [""]);
  expect(uncut.tokens.length).toBeGreaterThanOrEqual(cut.tokens.length);
});

const goodConfig = formatDecoderConfig(tinyConfig);

test("a configuration survives being written and read", ({ expect }) => {
  for (const config of [tinyConfig, { ...tinyConfig, queryKeyNorm: true, tiedEmbeddings: false, endTokens: [1, 2] }]) {
    expect(parseDecoderConfig(formatDecoderConfig(config), "x")).toEqual(config);
  }
});

test("configurations that cannot be computed are refused by field", ({ expect }) => {
  const refused = (change: Record<string, unknown>, message: RegExp) => {
    const parse = () => parseDecoderConfig({ ...goodConfig, ...change }, "m/config.json");
    expect(parse).toThrow(message);
    expect(parse).toThrow(EngineError);
  };
  refused({ model_type: "gpt2" }, /m\/config\.json: model_type "gpt2" is not supported, only llama and qwen3/);
  refused({ hidden_size: "64" }, /"hidden_size" must be a positive integer, not "64"/);
  refused({ num_hidden_layers: 0 }, /"num_hidden_layers"/);
  refused({ num_key_value_heads: 3 }, /4 query heads cannot share 3/);
  refused({ head_dim: 12 }, /multiple of 16, not 12/);
  refused({ attention_bias: true }, /"attention_bias" is not supported/);
  refused({ hidden_act: "gelu" }, /"hidden_act" must be "silu"/);
  refused({ rms_norm_eps: -1 }, /"rms_norm_eps"/);
  refused({ rope_scaling: { rope_type: "yarn" } }, /rope type "yarn"/);
  expect(() => parseDecoderConfig([], "m/config.json")).toThrow(/expected a JSON object/);
});

test("Llama 3's scaling keeps fast rotations, slows slow ones by the factor, and blends between", ({ expect }) => {
  const ropeScaling = { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 64 };
  const config = { ...tinyConfig, headSize: 16, ropeTheta: 10_000 };
  // The rotation of pair i at position 1 is its frequency; small angles equal their sine.
  const plain = rotationAngles(config, 2).sine.slice(8);
  const scaled = rotationAngles({ ...config, ropeScaling }, 2).sine.slice(8);
  expect(scaled[0]).toBe(plain[0]); // a turn every 6 tokens: ten in the context
  expect(scaled[1]).toBeGreaterThan(plain[1]! / 8); // a turn every 20 tokens: three in the context
  expect(scaled[1]).toBeLessThan(plain[1]!);
  for (let pair = 3; pair < 8; pair++) expect(scaled[pair]! * 8).toBeCloseTo(plain[pair]!, 4);
});

test("folders with missing or malformed files are refused by file and weight", async ({ expect }) => {
  const { weights } = tinyModel();
  const config = JSON.stringify(goodConfig);
  const without = new Map(weights);
  without.delete("model.norm.weight");
  const reshaped = new Map(weights).set("model.norm.weight", { shape: [4, 8], data: new Float32Array(32) });
  const cases = [
    [{}, /Cannot read .*config\.json/],
    [{ "config.json": "{" }, /config\.json is not valid JSON/],
    [{ "config.json": config }, /Cannot read .*model\.safetensors/],
    [{ "config.json": config, "model.safetensors": "xx" }, /model\.safetensors is not a valid safetensors file/],
    [
      { "config.json": config, "model.safetensors": writeSafetensors(without, "F32") },
      /weight "model\.norm\.weight" is missing/,
    ],
    [
      { "config.json": config, "model.safetensors": writeSafetensors(reshaped, "F32") },
      /"model\.norm\.weight" has shape \[4, 8\], the configuration asks for \[32\]/,
    ],
    [{ "config.json": config, "model.safetensors.index.json": '{"weight_map":{"a":"../x"}}' }, /files of this folder/],
  ] as const;
  for (const [files, message] of cases) {
    await using folder = await temporaryFolder(files);
    const failure = await loadBaseModel(folder.path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineError);
    expect(String(failure)).toMatch(message);
  }
});

test("a model split over several files loads as the whole one does", async ({ expect }) => {
  const { config, weights } = tinyModel();
  const entries = [...weights];
  const halves = [new Map(entries.slice(0, 7)), new Map(entries.slice(7))] as const;
  const map = halves.flatMap((half, index) => [...half.keys()].map((name) => [name, `part-${index}.safetensors`]));
  await using folder = await temporaryFolder({
    "config.json": JSON.stringify(formatDecoderConfig(config)),
    "model.safetensors.index.json": JSON.stringify({ weight_map: Object.fromEntries(map) as unknown }),
    "part-0.safetensors": writeSafetensors(halves[0], "F32"),
    "part-1.safetensors": writeSafetensors(halves[1], "F32"),
  });
  const loaded = await loadBaseModel(folder.path, "whole");
  expect(Object.fromEntries(loaded.weights)).toEqual(Object.fromEntries(weights));
  expect(loaded.config).toEqual(config);
});
