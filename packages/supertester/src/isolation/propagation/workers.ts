import workerThreads, { type WorkerOptions } from "node:worker_threads";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext } from "../../context/scope-context.ts";

/**
 * Gives worker threads the test's environment, and with it the test's id: Node copies the process's real one. Workers
 * started with an `env` of their own, `SHARE_ENV` included, keep theirs. Child processes need nothing: Node reads
 * `process.env` for them.
 */
export function installWorkerPropagation(): void {
  processSingleton("worker-propagation", () => {
    workerThreads.Worker = class Worker extends workerThreads.Worker {
      constructor(file: string | URL, options: WorkerOptions = {}) {
        const inherits = options.env === undefined && activeContext() !== undefined;
        super(file, inherits ? { ...options, env: { ...process.env } } : options);
      }
    };
    return true;
  });
}
