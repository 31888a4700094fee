import {
  decodeForwardBackwardOutput,
  decodeSampleResponse,
  encodeForwardBackwardRequest,
  type Datum,
  type ForwardBackwardOutput,
  type ForwardBackwardRequest,
  type SampleResponse,
} from "@tinkex/protocol";
import { createTinkerApp, ScriptedEngine, type TinkerApp, type TinkerAppOptions } from "../../src/index.ts";
import { HandClock } from "./hand-clock.ts";

export type Json = Readonly<Record<string, unknown>>;

export const apiKey = "tml-test-key";
export const base = "scripted/tiny";

/** One datum whose targets are its own tokens. */
export function datum(...tokens: readonly number[]): Datum {
  const { length } = tokens;
  return {
    modelInput: { chunks: [{ type: "encoded_text", tokens }] },
    lossFnInputs: {
      target_tokens: { dtype: "int64", shape: [length], data: Int32Array.from(tokens) },
      weights: { dtype: "float32", shape: [length], data: new Float32Array(length).fill(1) },
    },
  };
}

/** A server under a clock that the test moves, and the requests tests make. */
export class TestServer implements AsyncDisposable {
  readonly clock: HandClock;
  readonly engine: ScriptedEngine;
  readonly app: TinkerApp;

  constructor(options: Partial<TinkerAppOptions> = {}) {
    this.clock = new HandClock();
    this.engine = options.engine instanceof ScriptedEngine ? options.engine : new ScriptedEngine();
    this.app = createTinkerApp({ apiKey, runtime: this.clock, ...options, engine: this.engine });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.close();
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("x-api-key")) headers.set("x-api-key", apiKey);
    return await this.app.fetch(new Request(`http://tinker.local/api/v1/${path}`, { ...init, headers }));
  }

  async send(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return await this.fetch(path, { method: "POST", body: JSON.stringify(body), ...init });
  }

  /** The JSON of a request that must succeed. */
  async post(path: string, body: unknown): Promise<Json> {
    return await ok(await this.send(path, body));
  }

  async get(path: string): Promise<Json> {
    return await ok(await this.fetch(path));
  }

  async session(): Promise<string> {
    const { session_id: id } = await this.post("create_session", { tags: [], user_metadata: {}, sdk_version: "0" });
    return id as string;
  }

  /** A model whose creation has ended. */
  async model(session?: string, number = 0): Promise<string> {
    const created = await this.post("create_model", {
      session_id: session ?? (await this.session()),
      model_seq_id: number,
      base_model: base,
      lora_config: { rank: 8, seed: 1 },
    });
    return (await this.result(created))["model_id"] as string;
  }

  retrieve(requestId: unknown, init: RequestInit = {}, fields: Json = {}): Promise<Response> {
    return this.send("retrieve_future", { request_id: requestId, ...fields }, init);
  }

  /** The JSON result of a submission's future. */
  async result(submitted: Json): Promise<Json> {
    return await ok(await this.retrieve(submitted["request_id"]));
  }

  sendPass(modelId: string, seqId: number, options: Partial<ForwardBackwardRequest> = {}): Promise<Response> {
    const request: ForwardBackwardRequest = {
      modelId,
      seqId,
      data: [datum(1, 2, 3)],
      lossFn: "cross_entropy",
      forwardOnly: false,
      ...options,
    };
    return this.sendPassBytes(encodeForwardBackwardRequest(request));
  }

  sendPassBytes(body: Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch("forward_backward", {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/x-protobuf", ...headers },
    });
  }

  /** Submits a pass, which must be accepted. */
  async pass(modelId: string, seqId: number, options: Partial<ForwardBackwardRequest> = {}): Promise<Json> {
    return await ok(await this.sendPass(modelId, seqId, options));
  }

  async step(modelId: string, seqId: number, learningRate = 1e-3): Promise<Json> {
    return await this.post("optim_step", {
      model_id: modelId,
      seq_id: seqId,
      adam_params: { learning_rate: learningRate },
    });
  }

  async passResult(submitted: Json): Promise<ForwardBackwardOutput> {
    return decodeForwardBackwardOutput(await this.protobuf(submitted));
  }

  async sampleResult(submitted: Json): Promise<SampleResponse> {
    return decodeSampleResponse(await this.protobuf(submitted));
  }

  async protobuf(submitted: Json): Promise<Uint8Array> {
    const headers = { accept: "application/x-protobuf" };
    const response = await this.retrieve(submitted["request_id"], { headers });
    if (response.headers.get("content-type") !== "application/x-protobuf") {
      throw new Error(`expected protobuf, got ${await response.text()}`);
    }
    return new Uint8Array(await response.arrayBuffer());
  }

  /** A sampling session on the base model, or what `from` says. */
  async sampler(session: string, number = 0, from: Json = { base_model: base }): Promise<string> {
    const created = await this.post("create_sampling_session", {
      session_id: session,
      sampling_session_seq_id: number,
      ...from,
    });
    return created["sampling_session_id"] as string;
  }

  sendSample(samplingSession: string, seqId: number | bigint, options: Json = {}): Promise<Response> {
    const body = {
      sampling_session_id: samplingSession,
      seq_id: 0,
      prompt: { chunks: [{ type: "encoded_text", tokens: [1, 2, 3] }] },
      sampling_params: { max_tokens: 4, seed: 7 },
      ...options,
    };
    // Written by hand, because JSON.stringify refuses a bigint.
    const text = JSON.stringify(body).replace('"seq_id":0', `"seq_id":${seqId}`);
    return this.fetch("asample", { method: "POST", body: text });
  }

  async sample(samplingSession: string, seqId: number | bigint, options: Json = {}): Promise<Json> {
    return await ok(await this.sendSample(samplingSession, seqId, options));
  }

  /** The tokens of one sample. */
  async tokens(samplingSession: string, seqId: number, options: Json = {}): Promise<readonly number[]> {
    const { sequences } = await this.sampleResult(await this.sample(samplingSession, seqId, options));
    return [...(sequences[0]?.tokens ?? [])];
  }
}

async function ok(response: Response): Promise<Json> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text}`);
  return JSON.parse(text) as Json;
}

/** The status and the detail of a refusal, which must be well-formed. */
export async function refusal(answer: Promise<Response>): Promise<{ status: number; detail: string }> {
  const response = await answer;
  const text = await response.text();
  const { detail } = JSON.parse(text) as { detail: string };
  if (response.headers.get("content-length") !== String(Buffer.byteLength(text))) {
    throw new Error(`Content-Length ${response.headers.get("content-length")} for ${text}`);
  }
  return { status: response.status, detail };
}
