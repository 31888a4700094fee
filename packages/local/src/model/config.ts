import { EngineError } from "../engine/engine.ts";

/** Shape of a decoder of the Llama and Qwen3 families. Sizes count numbers. */
export interface DecoderConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  /** Width inside the feed-forward block. */
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads; a multiple of `keyValueHeads`, which several of them share. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** A multiple of 16, which the decoding kernel asks for. */
  readonly headSize: number;
  /** Tokens that prompt and completion may have together. */
  readonly maxContextLength: number;
  readonly normEpsilon: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
  /** Whether the output projection is the embedding table. */
  readonly tiedEmbeddings: boolean;
  /** Whether queries and keys are normalised per head, as in Qwen3. */
  readonly queryKeyNorm: boolean;
  /** Tokens that end a completion, when no stop condition says otherwise. */
  readonly endTokens: readonly number[];
}

/** Llama 3's stretching of the low rotary frequencies. */
export interface RopeScaling {
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  readonly highFrequencyFactor: number;
  readonly originalContextLength: number;
}

/** What the graphs can compute; other families share the file format but not the arithmetic. */
const supportedFamilies = ["llama", "qwen3"] as const;

/** Context lengths beyond this would only reserve memory for rotary tables: attention over them is out of reach here. */
const longestContext = 32_768;

/**
 * Reads the content of a Hugging Face `config.json`.
 *
 * @throws EngineError naming the field that is missing, malformed or asks for arithmetic that is not implemented.
 */
export function parseDecoderConfig(json: unknown, source: string): DecoderConfig {
  if (!isRecord(json)) throw new EngineError(`${source}: expected a JSON object`);
  const integer = (key: string, fallback?: number): number => {
    const value = json[key] ?? fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
      throw new EngineError(`${source}: "${key}" must be a positive integer, not ${JSON.stringify(value)}`);
    }
    return value;
  };
  const number = (record: Readonly<Record<string, unknown>>, key: string, fallback?: number): number => {
    const value = record[key] ?? fallback;
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) {
      throw new EngineError(`${source}: "${key}" must be a positive number, not ${JSON.stringify(value)}`);
    }
    return value;
  };

  const family = json["model_type"];
  if (!supportedFamilies.some((known) => known === family)) {
    throw new EngineError(
      `${source}: model_type ${JSON.stringify(family)} is not supported, only ${supportedFamilies.join(" and ")}`,
    );
  }
  for (const key of ["attention_bias", "mlp_bias", "use_sliding_window"]) {
    if (json[key] === true) throw new EngineError(`${source}: "${key}" is not supported`);
  }
  if ((json["hidden_act"] ?? "silu") !== "silu") {
    throw new EngineError(`${source}: "hidden_act" must be "silu", not ${JSON.stringify(json["hidden_act"])}`);
  }

  const hiddenSize = integer("hidden_size");
  const heads = integer("num_attention_heads");
  const keyValueHeads = integer("num_key_value_heads", heads);
  if (heads % keyValueHeads !== 0) {
    throw new EngineError(`${source}: ${heads} query heads cannot share ${keyValueHeads} key-value heads evenly`);
  }
  const headSize = integer("head_dim", hiddenSize / heads);
  if (headSize % 16 !== 0) throw new EngineError(`${source}: the head size must be a multiple of 16, not ${headSize}`);

  const rope = isRecord(json["rope_parameters"]) ? json["rope_parameters"] : json;
  const scaling = ropeScaling(json["rope_scaling"] ?? json["rope_parameters"], number, source);
  return {
    vocabularySize: integer("vocab_size"),
    hiddenSize,
    intermediateSize: integer("intermediate_size"),
    layers: integer("num_hidden_layers"),
    heads,
    keyValueHeads,
    headSize,
    maxContextLength: Math.min(integer("max_position_embeddings", 2048), longestContext),
    normEpsilon: number(json, "rms_norm_eps", 1e-6),
    ropeTheta: number(rope, "rope_theta", 10_000),
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
    tiedEmbeddings: json["tie_word_embeddings"] === true,
    queryKeyNorm: family === "qwen3",
    endTokens: [json["eos_token_id"]].flat().filter((token) => typeof token === "number"),
  };
}

/** The `config.json` of a model that {@link parseDecoderConfig} reads back. */
export function formatDecoderConfig(config: DecoderConfig): Record<string, unknown> {
  return {
    architectures: [config.queryKeyNorm ? "Qwen3ForCausalLM" : "LlamaForCausalLM"],
    model_type: config.queryKeyNorm ? "qwen3" : "llama",
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    max_position_embeddings: config.maxContextLength,
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tiedEmbeddings,
    attention_bias: false,
    hidden_act: "silu",
    eos_token_id: config.endTokens.length === 1 ? config.endTokens[0] : config.endTokens,
    torch_dtype: "bfloat16",
  };
}

function ropeScaling(
  value: unknown,
  number: (record: Readonly<Record<string, unknown>>, key: string) => number,
  source: string,
): RopeScaling | undefined {
  if (!isRecord(value)) return undefined;
  const type = value["rope_type"] ?? value["type"] ?? "default";
  if (type === "default") return undefined;
  if (type !== "llama3") throw new EngineError(`${source}: rope type ${JSON.stringify(type)} is not supported`);
  return {
    factor: number(value, "factor"),
    lowFrequencyFactor: number(value, "low_freq_factor"),
    highFrequencyFactor: number(value, "high_freq_factor"),
    originalContextLength: number(value, "original_max_position_embeddings"),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
