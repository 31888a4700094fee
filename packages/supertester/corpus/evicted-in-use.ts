import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

interface Handle {
  readonly name: string;
  isOpen: boolean;
  users: number;
}

/** Keeps one file open; opening another closes it. */
class FileCache {
  #cached: Handle | undefined;

  async use<T>(name: string, fn: (handle: Handle) => Promise<T>): Promise<T> {
    const handle = this.#open(name);
    handle.users++;
    try {
      return await fn(handle);
    } finally {
      handle.users--;
      if (handle !== this.#cached) this.retire(handle);
    }
  }

  protected retire(handle: Handle): void {
    handle.isOpen = false;
  }

  #open(name: string): Handle {
    if (this.#cached?.name === name) return this.#cached;
    if (this.#cached !== undefined) this.retire(this.#cached);
    return (this.#cached = { name, isOpen: true, users: 0 });
  }
}

/** Closes what was evicted when its last user is done. */
class CountingFileCache extends FileCache {
  protected override retire(handle: Handle): void {
    if (handle.users === 0) super.retire(handle);
  }
}

async function read(sim: Sim, handle: Handle): Promise<void> {
  for (let block = 0; block < 2; block++) {
    await sim.io(`read ${handle.name}`, () => {
      if (!handle.isOpen) throw new Error(`EBADF: ${handle.name} was closed while it was read`);
    });
  }
}

const program =
  (Cache: typeof FileCache): SimBody =>
  async (sim) => {
    const cache = new Cache();
    const reader = (name: string) => () => cache.use(name, (handle) => read(sim, handle));
    const later = sim.sleep(30).then(() => sim.spawn("B", reader("b.txt")));
    await Promise.all([sim.spawn("A", reader("a.txt")), later]);
  };

export const evictedInUse: Bug = {
  name: "evicted-in-use",
  pattern: "a cache closes the handle that it evicts while somebody still reads from it",
  kind: "assertion",
  buggy: program(FileCache),
  fixed: program(CountingFileCache),
};
