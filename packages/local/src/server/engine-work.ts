import {
  ModelInput,
  type AdamParams,
  type Datum,
  type ForwardBackwardOutput,
  type ForwardBackwardRequest,
  type SampleRequest,
  type SampleResponse,
  type TensorData,
} from "@tinkex/protocol";
import type {
  BaseModel,
  PassResult,
  SampleResult,
  SampleWork,
  TrainingExample,
  TrainingPass,
} from "../engine/engine.ts";
import { HttpError } from "./http-error.ts";

const knownInputs = new Set(["target_tokens", "weights", "logprobs", "advantages"]);

/**
 * The engine's form of a training request. Throws a 400 that names the datum and the input for what no model could
 * train on; whether tokens are in the vocabulary is for the engine to say.
 */
export function trainingPass(request: ForwardBackwardRequest, tokenLimit: number): TrainingPass {
  if (request.data.length === 0) throw new HttpError(400, "data is empty: send at least one datum.");
  const examples = request.data.map((datum, index) => trainingExample(datum, index, request.lossFn));
  const tokens = examples.reduce((sum, example) => sum + example.tokens.length, 0);
  if (tokens > tokenLimit) throw new HttpError(400, `data has ${tokens} tokens; one request may have ${tokenLimit}.`);
  return {
    examples,
    loss: request.lossFn,
    lossConfig: request.lossFnConfig ?? {},
    backward: !request.forwardOnly,
  };
}

function trainingExample(datum: Datum, index: number, loss: string): TrainingExample {
  const where = `data[${index}]`;
  const tokens = ModelInput.toInts(datum.modelInput);
  if (tokens.length === 0) throw new HttpError(400, `${where}.model_input has no tokens.`);
  const inputs = datum.lossFnInputs;
  for (const name of Object.keys(inputs)) {
    if (!knownInputs.has(name)) {
      throw new HttpError(
        400,
        `${where}.loss_fn_inputs has ${quote(name)}, which no loss takes; there are ${[...knownInputs].join(", ")}.`,
      );
    }
  }
  const floats = (name: string): Float32Array | undefined => {
    const tensor = inputs[name];
    if (tensor === undefined) return undefined;
    return Float32Array.from(perToken(tensor, tokens.length, `${where}.loss_fn_inputs.${name}`));
  };
  const need = (name: string): never => {
    throw new HttpError(400, `${where}.loss_fn_inputs needs ${name} for ${loss}.`);
  };
  const target = inputs["target_tokens"] ?? need("target_tokens");
  const targets = tokenIds(perToken(target, tokens.length, `${where}.loss_fn_inputs.target_tokens`), where);
  const weights = floats("weights");
  if (loss === "cross_entropy") return { tokens, targets, weights: weights ?? need("weights") };
  const samplingLogprobs = floats("logprobs") ?? need("logprobs");
  const advantages = floats("advantages") ?? need("advantages");
  return { tokens, targets, weights: weights ?? new Float32Array(tokens.length).fill(1), samplingLogprobs, advantages };
}

/** The values of a tensor that must have one per token. */
function perToken(tensor: TensorData, length: number, where: string): ArrayLike<number> {
  if (tensor.sparse !== undefined || tensor.shape.length > 1) {
    throw new HttpError(
      400,
      `${where} has shape [${tensor.shape.join(", ")}]; this server trains on one value per token, shape [${length}].`,
    );
  }
  if (tensor.data.length !== length) {
    throw new HttpError(400, `${where} has ${tensor.data.length} values for ${length} tokens; they must be as many.`);
  }
  return tensor.data instanceof BigInt64Array ? Array.from(tensor.data, Number) : tensor.data;
}

/** Anything but a 32-bit integer would be another number in the engine's arrays, and train on the wrong token. */
function tokenIds(values: ArrayLike<number>, where: string): Int32Array {
  const ids = Int32Array.from(values);
  const odd = ids.findIndex((id, at) => id !== values[at]);
  if (odd >= 0) {
    throw new HttpError(
      400,
      `${where}.loss_fn_inputs.target_tokens[${odd}] is ${values[odd]}, which is not a token id.`,
    );
  }
  return ids;
}

/** The wire's form of a pass's result. */
export function forwardBackwardOutput(result: PassResult): ForwardBackwardOutput {
  return {
    lossFnOutputType: "TorchLossReturn",
    lossFnOutputs: result.logprobs.map((data) => ({ logprobs: { dtype: "float32", shape: [data.length], data } })),
    metrics: result.metrics,
  };
}

/** Throws a 400 for settings with which Adam means nothing. */
export function checkAdam(adam: AdamParams): AdamParams {
  const check = (name: string, value: number, fits: boolean, expected: string): void => {
    if (!fits) throw new HttpError(400, `adam_params.${name} must be ${expected}, got ${value}.`);
  };
  check("learning_rate", adam.learningRate, adam.learningRate >= 0, "at least 0");
  check("beta1", adam.beta1, adam.beta1 >= 0 && adam.beta1 < 1, "from 0 to below 1");
  check("beta2", adam.beta2, adam.beta2 >= 0 && adam.beta2 < 1, "from 0 to below 1");
  check("eps", adam.eps, adam.eps >= 0, "at least 0");
  check("weight_decay", adam.weightDecay, adam.weightDecay >= 0, "at least 0");
  check("grad_clip_norm", adam.gradClipNorm, adam.gradClipNorm >= 0, "at least 0 (0 turns it off)");
  return adam;
}

/** The engine's form of a sample request. Throws a 400 that names the field. */
export function sampleWork(
  request: SampleRequest,
  weights: SampleWork["weights"],
  base: BaseModel,
  tokenLimit: number,
): SampleWork {
  const { samplingParams: params } = request;
  const prompt = ModelInput.toInts(request.prompt);
  const refuse = (message: string): never => {
    throw new HttpError(400, message);
  };
  if (prompt.length === 0) refuse("prompt has no tokens.");
  if (prompt.length > tokenLimit) refuse(`prompt has ${prompt.length} tokens; one request may have ${tokenLimit}.`);
  if (request.numSamples < 1 || request.numSamples > 1024)
    refuse(`num_samples must be 1 to 1024, got ${request.numSamples}.`);
  const room = base.maxContextLength - prompt.length;
  const maxTokens = params.maxTokens ?? Math.max(room, 0);
  if (maxTokens < 0 || maxTokens > room) {
    refuse(
      `prompt has ${prompt.length} tokens and max_tokens is ${maxTokens}; ${base.name} has a context of ${base.maxContextLength} for both.`,
    );
  }
  if (!(params.temperature >= 0)) refuse(`temperature must be at least 0, got ${params.temperature}.`);
  if (params.topK !== -1 && params.topK < 1) refuse(`top_k must be -1 or at least 1, got ${params.topK}.`);
  if (!(params.topP > 0 && params.topP <= 1)) refuse(`top_p must be above 0 and at most 1, got ${params.topP}.`);
  const { topkPromptLogprobs } = request;
  if (topkPromptLogprobs < 0 || topkPromptLogprobs > base.vocabularySize) {
    refuse(
      `topk_prompt_logprobs must be 0 to the vocabulary's size (${base.vocabularySize}), got ${topkPromptLogprobs}.`,
    );
  }
  return {
    weights,
    prompt,
    numSamples: request.numSamples,
    maxTokens,
    temperature: params.temperature,
    topK: params.topK,
    topP: params.topP,
    ...(params.seed !== undefined && { seed: params.seed }),
    stop: stopOf(params.stop),
    promptLogprobs: request.promptLogprobs,
    topkPromptLogprobs,
  };
}

function stopOf(stop: string | readonly string[] | readonly number[] | undefined): SampleWork["stop"] {
  if (stop === undefined) return { tokens: [] };
  if (typeof stop === "string") return { strings: [stop] };
  const strings = stop.filter((item) => typeof item === "string");
  return strings.length > 0 ? { strings } : { tokens: stop.filter((item) => typeof item === "number") };
}

/** The wire's form of a sample. */
export function sampleResponse(work: SampleWork, result: SampleResult): SampleResponse {
  const { topkPromptLogprobs: topk } = result;
  return {
    sequences: result.sequences,
    ...(result.promptLogprobs !== undefined && { promptLogprobs: result.promptLogprobs }),
    ...(topk !== undefined && { topkPromptLogprobs: { ...topk, promptLength: work.prompt.length } }),
    promptCacheHitTokens: 0,
  };
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 60));
