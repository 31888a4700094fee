import type { SimBody } from "../../src/index.ts";

/** A small program with a race, and what its failure looks like. */
export interface RacyProgram {
  readonly name: string;
  readonly body: SimBody;
  readonly kind: string;
}

/** Six races of different shapes; each fails only under some schedules, except where noted. */
export const racyPrograms: readonly RacyProgram[] = [
  {
    // Read, wait, write: an update that another one overwrites.
    name: "lost update behind a head start",
    kind: "assertion",
    async body(sim) {
      let balance = 0;
      const deposit = async () => {
        const read = await sim.io("read", () => balance);
        await sim.io("write", () => {
          balance = read + 1;
        });
      };
      await Promise.all([
        sim.spawn("A", deposit),
        sim.spawn("B", async () => {
          await sim.sleep(20);
          await deposit();
        }),
      ]);
      if (balance !== 2) throw new Error(`balance is ${balance}`);
    },
  },
  {
    // The answer to an older search replaces that of a newer one.
    name: "stale response",
    kind: "assertion",
    async body(sim) {
      sim.http("search.test", ({ url }) => ({ json: { shown: url.searchParams.get("q") } }));
      let shown = "";
      const search = async (q: string) => {
        const response = await fetch(`http://search.test/?q=${q}`);
        shown = ((await response.json()) as { shown: string }).shown;
      };
      await Promise.all([search("a"), sim.sleep(3).then(() => search("ab"))]);
      if (shown !== "ab") throw new Error(`shows results for "${shown}"`);
    },
  },
  {
    // Two locks taken in opposite orders.
    name: "ABBA",
    kind: "deadlock",
    async body(sim) {
      const [a, b] = [mutex(), mutex()];
      const both = (first: Mutex, second: Mutex) => async () => {
        await first(async () => {
          await sim.io("work");
          await second(async () => {});
        });
      };
      const start = sim.spawn("A", both(a, b));
      await Promise.all([start, sim.sleep(10).then(() => sim.spawn("B", both(b, a)))]);
    },
  },
  {
    // The time limit fires while the answer is on its way, and the answer is used anyway.
    name: "timeout versus response",
    kind: "invariant",
    async body(sim) {
      const settled: string[] = [];
      sim.always("settles once", () => settled.length < 2);
      await new Promise<void>((resolve) => {
        const limit = setTimeout(() => {
          settled.push("timeout");
          resolve();
        }, 100);
        void sim.io("answer").then(() => {
          clearTimeout(limit);
          settled.push("answer");
          resolve();
        });
      });
      await sim.sleep(300);
    },
  },
  {
    // A job is started before the listener for its result is attached.
    name: "rejection before its handler",
    kind: "unhandledRejection",
    async body(sim) {
      const job = sim.io("job", () => Promise.reject(new Error("job failed")));
      await sim.io("prepare");
      await job.catch(() => {});
    },
  },
  {
    // Two waiters of three are let in after one permit is returned twice by an abort.
    name: "permit returned twice",
    kind: "invariant",
    async body(sim) {
      let free = 1;
      sim.always("at most one permit", () => free <= 1);
      const worker = async () => {
        if (free === 0) return;
        free--;
        const abort = new AbortController();
        const timer = setTimeout(() => abort.abort(), 50);
        abort.signal.addEventListener("abort", () => free++);
        await sim.io("work");
        clearTimeout(timer);
        free++;
      };
      await Promise.all([sim.spawn("A", worker), sim.spawn("B", worker)]);
    },
  },
];

type Mutex = (fn: () => Promise<void>) => Promise<void>;

function mutex(): Mutex {
  let last = Promise.resolve();
  return async (fn) => {
    const before = last;
    let release = () => {};
    last = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      await fn();
    } finally {
      release();
    }
  };
}
