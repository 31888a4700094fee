import { EngineError } from "./engine.ts";

const closing = 0;
const running = 1;

/** Nothing the runtime does should take longer, and an exit must not wait forever. */
const longestWait = 10_000;

/**
 * Counts calls into native code across threads. Ending the process while another thread is inside one aborts it with a
 * core dump, because the runtime's binding cannot raise an exception in a thread that is being torn down; so the exit
 * waits for the call under way, and no other begins.
 */
export class NativeCalls {
  /** Give this to the other thread. */
  readonly memory: SharedArrayBuffer;
  readonly #state: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.memory = memory;
    this.#state = new Int32Array(memory);
  }

  /** @throws EngineError when the process is ending. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    Atomics.add(this.#state, running, 1);
    try {
      if (Atomics.load(this.#state, closing) === 1) throw new EngineError("The process is ending");
      return await call();
    } finally {
      Atomics.sub(this.#state, running, 1);
      Atomics.notify(this.#state, running);
    }
  }

  /** Blocks this thread until the other one is out of native code, for good. */
  finish(): void {
    Atomics.store(this.#state, closing, 1);
    for (let count = Atomics.load(this.#state, running); count > 0; count = Atomics.load(this.#state, running)) {
      if (Atomics.wait(this.#state, running, count, longestWait) === "timed-out") return;
    }
  }
}

const watched = new Set<NativeCalls>();

/** Makes the end of this process wait for the calls, until the returned function is called. */
export function finishBeforeExit(calls: NativeCalls): () => void {
  if (watched.size === 0) process.on("exit", finishAll);
  watched.add(calls);
  return () => {
    watched.delete(calls);
    if (watched.size === 0) process.off("exit", finishAll);
  };
}

function finishAll(): void {
  for (const calls of watched) calls.finish();
}
