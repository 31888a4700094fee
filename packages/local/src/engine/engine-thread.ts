/** Entry of the thread that {@link OnnxEngine} starts: runs a GraphEngine and answers calls by message. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { loadBaseModel } from "../model/base-model-files.ts";
import type { EngineMethod, FromThread, ModelSource, ThreadData, ThreadFailure, ToThread } from "./engine-messages.ts";
import { EngineError } from "./engine.ts";
import { GraphEngine } from "./graph-engine.ts";
import { NativeCalls } from "./native-calls.ts";

const port = threadPort();

function threadPort(): MessagePort {
  if (parentPort === null) throw new Error("This module is the entry of the engine's thread and cannot be imported");
  return parentPort;
}

function send(message: FromThread): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  port.postMessage(message);
}

const failure = (error: unknown): ThreadFailure =>
  error instanceof Error
    ? { message: error.message, stack: error.stack, known: error instanceof EngineError }
    : { message: String(error), stack: undefined, known: false };

async function load(source: ModelSource) {
  return "folder" in source ? loadBaseModel(source.folder, source.name) : source;
}

function serve(engine: GraphEngine): void {
  const calls = new Map<number, AbortController>();
  const call = async (id: number, method: EngineMethod, args: readonly unknown[]): Promise<void> => {
    const controller = new AbortController();
    calls.set(id, controller);
    try {
      // The other side is typed by the same interface; the signal is the only argument that cannot travel.
      const invoke = engine[method] as (...args: readonly unknown[]) => Promise<unknown>;
      const value = await invoke.call(engine, ...args, ...(method === "sample" ? [controller.signal] : []));
      send({ kind: "result", id, value });
    } catch (error) {
      send({ kind: "error", id, failure: failure(error) });
    } finally {
      calls.delete(id);
    }
  };
  const close = async (): Promise<void> => {
    for (const controller of calls.values()) controller.abort(new EngineError("The engine was closed"));
    await engine[Symbol.asyncDispose]();
    port.close();
  };
  port.on("message", (message: ToThread) => {
    switch (message.kind) {
      case "call":
        void call(message.id, message.method, message.args);
        return;
      case "abort":
        calls.get(message.id)?.abort(new EngineError("The call was aborted"));
        return;
      case "close":
        void close();
        return;
      default:
        message satisfies never;
    }
  });
}

try {
  const { models, threads, nativeCalls } = workerData as ThreadData;
  const runtime = { threads, nativeCalls: new NativeCalls(nativeCalls) };
  const engine = new GraphEngine(await Promise.all(models.map(load)), runtime);
  serve(engine);
  send({ kind: "ready", baseModels: engine.baseModels });
} catch (error) {
  send({ kind: "failed", failure: failure(error) });
}
