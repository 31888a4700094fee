import { InferenceSession, Tensor } from "onnxruntime-node";
import type { NativeCalls } from "./native-calls.ts";
import { silenceRuntimeTelemetry } from "./runtime-telemetry.ts";

export type Feeds = Readonly<Record<string, Tensor>>;

/** Options of every session. */
export interface RuntimeOptions {
  /** Threads of one operator, the calling one included. */
  readonly threads: number;
  readonly nativeCalls: NativeCalls;
}

/** What a run may write its results into; null lets the runtime allocate. */
export type Fetches = Readonly<Record<string, Tensor | null>>;

/** A graph that can be run. */
export interface Session {
  run(feeds: Feeds, fetches?: Fetches): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

/**
 * Makes an encoded graph runnable. Both this and running block the calling thread while they work, whatever their
 * promises suggest, which is why the engine has a thread of its own.
 */
export async function openSession(graph: Uint8Array, options: RuntimeOptions): Promise<Session> {
  const { nativeCalls } = options;
  silenceRuntimeTelemetry();
  const session = await nativeCalls.run(async () => create(graph, options));
  return {
    run: async (feeds, fetches) =>
      nativeCalls.run(async () => (fetches === undefined ? session.run(feeds) : session.run(feeds, fetches))),
    release: async () => nativeCalls.run(async () => session.release()),
  };
}

async function create(graph: Uint8Array, { threads }: RuntimeOptions): Promise<InferenceSession> {
  return InferenceSession.create(graph, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    interOpNumThreads: 1,
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    // Spinning helper threads take the processor from everything else on a small machine, for no gain at our sizes.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
}

/** Tensors over existing memory: later writes to the arrays are seen by later runs. */
export function float32Tensor(data: Float32Array, shape: readonly number[]): Tensor {
  return new Tensor("float32", data, shape);
}

export function int32Tensor(data: Int32Array, shape: readonly number[]): Tensor {
  return new Tensor("int32", data, shape);
}

export function int64Tensor(data: BigInt64Array, shape: readonly number[]): Tensor {
  return new Tensor("int64", data, shape);
}

/** A float32 result of a run. */
export function float32Result(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array)) throw new TypeError(`The graph returned no float32 tensor "${name}"`);
  return data;
}

/** An int64 result of a run. */
export function int64Result(results: Readonly<Record<string, Tensor>>, name: string): BigInt64Array {
  const data = results[name]?.data;
  if (!(data instanceof BigInt64Array)) throw new TypeError(`The graph returned no int64 tensor "${name}"`);
  return data;
}
