import type { AdamParams } from "@tinkex/protocol";
import { silenceRuntimeTelemetry } from "./runtime-telemetry.ts";
import { Worker } from "node:worker_threads";
import {
  type EngineMethod,
  type FromThread,
  type ModelSource,
  type ThreadData,
  type ThreadFailure,
  type ToThread,
} from "./engine-messages.ts";
import {
  EngineError,
  type AdapterSpec,
  type AdapterState,
  type BaseModel,
  type Engine,
  type PassResult,
  type SampleResult,
  type SampleWork,
  type TrainingPass,
} from "./engine.ts";
import { NativeCalls, finishBeforeExit } from "./native-calls.ts";

export interface OnnxEngineOptions {
  readonly models: readonly ModelSource[];
  /**
   * Threads that one operator may use. Default 1: at the sizes this engine is for, more gain little, and the rest of
   * the process needs a processor too.
   */
  readonly threads?: number;
}

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Trains and samples on the processor through ONNX Runtime, on one thread of its own, because the runtime's calls
 * block. Work of different adapters and snapshots shares that thread fairly; the caller's event loop only sees
 * messages.
 *
 * Rejects with EngineError for input that the engine refuses, for everything pending when it is closed, and for
 * everything once its thread has died.
 */
export class OnnxEngine implements Engine {
  readonly baseModels: readonly BaseModel[];
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 0;
  /** Why no more calls are taken. */
  #ended: EngineError | undefined;

  private constructor(worker: Worker, baseModels: readonly BaseModel[]) {
    this.baseModels = baseModels;
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.on("message", (message: FromThread) => this.#receive(message));
    worker.on("error", (cause) =>
      this.#end(new EngineError(`The engine's thread failed: ${describe(cause)}`, { cause })),
    );
    worker.on("exit", () => this.#end(new EngineError("The engine's thread has ended")));
    // Only calls in flight keep the process alive, not an idle engine.
    worker.unref();
  }

  /**
   * Starts the thread and loads the models.
   *
   * @throws EngineError when a model cannot be loaded.
   */
  static async create({ models, threads = 1 }: OnnxEngineOptions): Promise<OnnxEngine> {
    if (!Number.isInteger(threads) || threads < 1) {
      throw new EngineError(`threads must be a positive integer, not ${threads}`);
    }
    const nativeCalls = new NativeCalls();
    // Here too: on the thread itself it would reach only the thread's copy of the environment.
    silenceRuntimeTelemetry();
    const workerData: ThreadData = { models, threads, nativeCalls: nativeCalls.memory };
    const worker = new Worker(threadEntry(), { workerData, name: "tinkex-engine" });
    const stopWatching = finishBeforeExit(nativeCalls);
    worker.once("exit", stopWatching);
    return new OnnxEngine(worker, await ready(worker));
  }

  async createAdapter(id: string, spec: AdapterSpec): Promise<void> {
    await this.#call("createAdapter", [id, spec]);
  }

  async dropAdapter(id: string): Promise<void> {
    await this.#call("dropAdapter", [id]);
  }

  async forwardBackward(id: string, pass: TrainingPass): Promise<PassResult> {
    return this.#call<PassResult>("forwardBackward", [id, pass]);
  }

  async optimStep(id: string, adam: AdamParams): Promise<Readonly<Record<string, number>>> {
    return this.#call<Readonly<Record<string, number>>>("optimStep", [id, adam]);
  }

  async createSnapshot(snapshot: string, adapter: string): Promise<void> {
    await this.#call("createSnapshot", [snapshot, adapter]);
  }

  async dropSnapshot(snapshot: string): Promise<void> {
    await this.#call("dropSnapshot", [snapshot]);
  }

  async exportState(id: string, options: { readonly optimizer: boolean }): Promise<AdapterState> {
    return this.#call<AdapterState>("exportState", [id, options]);
  }

  async importState(id: string, state: AdapterState): Promise<void> {
    await this.#call("importState", [id, state]);
  }

  async sample(work: SampleWork, signal?: AbortSignal): Promise<SampleResult> {
    return this.#call<SampleResult>("sample", [work], signal);
  }

  /** Ends the thread once the run it is in is over; pending calls reject. Closing again waits for the same end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === undefined) {
      this.#post({ kind: "close" });
      this.#end(new EngineError("The engine was closed"));
    }
    this.#worker.ref();
    await this.#exited;
  }

  async #call<T>(method: EngineMethod, args: readonly unknown[], signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = (): void => {
      this.#post({ kind: "abort", id });
      this.#settle(id)?.reject(signal?.reason);
    };
    this.#pending.set(id, { resolve, reject });
    this.#worker.ref();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      this.#post({ kind: "call", id, method, args });
      // The thread answers by the same interface.
      return (await promise) as T;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#settle(id);
    }
  }

  #post(message: ToThread): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(message);
  }

  #receive(message: FromThread): void {
    switch (message.kind) {
      case "result":
        this.#settle(message.id)?.resolve(message.value);
        return;
      case "error":
        this.#settle(message.id)?.reject(revived(message.failure));
        return;
      case "ready":
      case "failed":
        return;
      default:
        message satisfies never;
    }
  }

  /** Takes a call off the list; undefined when it has been settled before. */
  #settle(id: number): PendingCall | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
    return call;
  }

  #end(reason: EngineError): void {
    this.#ended ??= reason;
    for (const [id, { reject }] of this.#pending) {
      this.#pending.delete(id);
      reject(reason);
    }
  }
}

/** The models that the thread has loaded, once it has. */
async function ready(worker: Worker): Promise<readonly BaseModel[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly BaseModel[]>();
  const listeners = {
    message: (message: FromThread) => {
      if (message.kind === "ready") resolve(message.baseModels);
      if (message.kind === "failed") reject(revived(message.failure));
    },
    error: (cause: unknown) => {
      reject(new EngineError(`The engine's thread did not start: ${describe(cause)}`, { cause }));
    },
    exit: () => reject(new EngineError("The engine's thread ended before it was ready")),
  };
  for (const [event, listener] of Object.entries(listeners)) worker.on(event, listener);
  try {
    return await promise;
  } finally {
    for (const [event, listener] of Object.entries(listeners)) worker.off(event, listener);
  }
}

/** Beside this module as source, in the package's build otherwise. */
function threadEntry(): URL {
  const source = import.meta.url.endsWith(".ts");
  return new URL(source ? "./engine-thread.ts" : "./engine-thread.js", import.meta.url);
}

function revived({ message, stack, known }: ThreadFailure): Error {
  const error = known ? new EngineError(message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
