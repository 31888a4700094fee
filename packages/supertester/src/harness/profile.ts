import { Worker } from "node:worker_threads";
import { IsolationError, SupertesterError } from "../context/errors.ts";

/** What to measure. */
export interface ProfileOptions {
  /** Module whose default export is called for every round; a URL, because it is loaded in a worker thread of its own. */
  readonly module: URL;
  /** Measured rounds. Default 20. */
  readonly rounds?: number;
  /** Rounds before those, for caches and compilers to warm up. Default 5. */
  readonly warmup?: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** What a module did to a thread that had nothing else to do. */
export interface Profile {
  /** Bytes in use after a forced collection, before the first round and after each: `rounds + 1` values. */
  readonly heap: readonly number[];
  /** Longest time in milliseconds that the event loop was held up. */
  readonly longestDelayMs: number;
  /** Rounds in all that ran. */
  readonly rounds: number;
}

/** The measured code retains memory from round to round; `profile` has the measurements. */
export class HeapGrowthError extends SupertesterError {
  override name = "HeapGrowthError";
  readonly profile: Profile;

  constructor(message: string, measured: Profile) {
    super(message);
    this.profile = measured;
  }
}

interface WorkerInput {
  readonly module: string;
  readonly rounds: number;
  readonly warmup: number;
}

/** Runs in the worker, as source text: it may use nothing from outside itself. */
async function measure(run: (round: number) => unknown): Promise<void> {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { setFlagsFromString, getHeapStatistics } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  const { monitorEventLoopDelay } = process.getBuiltinModule("node:perf_hooks");
  const { rounds, warmup } = workerData as WorkerInput;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    return getHeapStatistics().used_heap_size;
  };
  for (let round = 0; round < warmup; round += 1) await run(round);
  const heap = [used()];
  let longestDelayMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await new Promise((resolve) => setTimeout(resolve, 2));
    await run(warmup + round);
    await new Promise((resolve) => setTimeout(resolve, 2));
    delay.disable();
    longestDelayMs = Math.max(longestDelayMs, delay.max / 1e6);
    heap.push(used());
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  parentPort?.postMessage({ heap, longestDelayMs, rounds });
}

/**
 * Measures a module in a worker thread: memory after forced collections, and how long it holds up its event loop. Neither
 * depends on what other tests do in this thread, as process-wide figures would.
 *
 * @throws what the module throws; the signal's reason; IsolationError `invalid-argument` for fewer than 5 rounds, which show
 * no trend.
 */
export async function profile({ module, rounds = 20, warmup = 5, signal }: ProfileOptions): Promise<Profile> {
  if (!(Number.isSafeInteger(rounds) && rounds >= 5 && Number.isSafeInteger(warmup) && warmup >= 0)) {
    throw new IsolationError(
      "invalid-argument",
      `profile needs whole numbers of rounds (5 or more) and warm-up rounds, not ${rounds} and ${warmup}`,
    );
  }
  signal?.throwIfAborted();
  const input: WorkerInput = { module: module.href, rounds, warmup };
  // The import is text, because bundlers and test runners rewrite it in code.
  const load = 'import(require("node:worker_threads").workerData.module)';
  const worker = new Worker(`${load}.then(({ default: run }) => (${measure.toString()})(run))`, {
    eval: true,
    workerData: input,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Profile>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  worker.once("message", resolve);
  worker.once("error", reject);
  worker.once("exit", (code) => reject(new Error(`the measured module ended its thread with code ${code}`)));
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}

/** When a trend counts as growth; all three must hold. */
export interface HeapGrowthLimits {
  /** Bytes per round that the fitted line may rise. Default 1024. */
  readonly bytesPerRound?: number;
  /** Bytes between the median of the first and of the last third. Default 65,536. */
  readonly totalBytes?: number;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/**
 * The heap does not grow from round to round: not its fitted line, not the medians of its thirds, and not in most single
 * steps. Single collections are noisy; a leak shows in all three.
 *
 * @throws HeapGrowthError otherwise.
 */
export function assertNoHeapGrowth(
  measured: Profile,
  { bytesPerRound = 1024, totalBytes = 65_536 }: HeapGrowthLimits = {},
): void {
  const { heap } = measured;
  const mean = heap.reduce((sum, bytes) => sum + bytes, 0) / heap.length;
  const center = (heap.length - 1) / 2;
  const covariance = heap.reduce((sum, bytes, round) => sum + (round - center) * (bytes - mean), 0);
  const variance = heap.reduce((sum, _, round) => sum + (round - center) ** 2, 0);
  const slope = covariance / variance;
  const third = Math.ceil(heap.length / 3);
  const rise = median(heap.slice(-third)) - median(heap.slice(0, third));
  const steps = heap.slice(1).filter((bytes, round) => bytes > (heap[round] ?? 0)).length / (heap.length - 1);
  if (slope <= bytesPerRound || rise <= totalBytes || steps <= 0.6) return;
  throw new HeapGrowthError(
    `the heap grew by ${Math.round(slope)} bytes per round (${Math.round(rise)} in ${measured.rounds} rounds, rising in ${Math.round(100 * steps)} % of them): something is retained`,
    measured,
  );
}
