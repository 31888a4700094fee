import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { EngineError } from "../engine/engine.ts";
import { parseDecoderConfig, type DecoderConfig } from "./config.ts";
import { readSafetensors } from "./safetensors.ts";
import { checkWeights, type Tensor, type Weights } from "./weights.ts";

/** A base model in memory. */
export interface LoadedModel {
  /** What clients ask for, such as `tinkex/pebble`. */
  readonly name: string;
  readonly config: DecoderConfig;
  readonly weights: Weights;
  /** Folder with `tokenizer.json` and `tokenizer_config.json`. */
  readonly tokenizerFolder: string;
}

/**
 * Loads a model from a folder as Hugging Face lays it out: `config.json`, and `model.safetensors` or the files that
 * `model.safetensors.index.json` lists.
 *
 * @param name Default: the folder's name.
 * @throws EngineError when a file is missing or malformed, or the model is of a kind that is not implemented.
 */
export async function loadBaseModel(folder: string, name: string = basename(folder)): Promise<LoadedModel> {
  const configFile = join(folder, "config.json");
  const config = parseDecoderConfig(await readJson(configFile), configFile);
  const weights = new Map<string, Tensor>();
  for (const file of await weightFiles(folder)) {
    const path = join(folder, file);
    for (const [key, tensor] of readSafetensors(await readBytes(path), path)) weights.set(key, tensor);
  }
  checkWeights(config, weights, folder);
  return { name, config, weights, tokenizerFolder: folder };
}

async function weightFiles(folder: string): Promise<readonly string[]> {
  const indexFile = join(folder, "model.safetensors.index.json");
  const index = await readFile(indexFile, "utf8").catch(() => undefined);
  if (index === undefined) return ["model.safetensors"];
  const { weight_map: map } = parseJson(index, indexFile) as { readonly weight_map?: unknown };
  const files = typeof map === "object" && map !== null ? Object.values(map as Record<string, unknown>) : [];
  // A name with a path would read outside the folder.
  const names = files.filter((file) => typeof file === "string" && file === basename(file)) as string[];
  if (files.length === 0 || names.length < files.length) {
    throw new EngineError(`${indexFile}: "weight_map" must map weights to files of this folder`);
  }
  return [...new Set(names)];
}

async function readJson(path: string): Promise<unknown> {
  return parseJson(new TextDecoder().decode(await readBytes(path)), path);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EngineError(`${path} is not valid JSON`, { cause });
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new EngineError(`Cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
