import { describe, test } from "vitest";
import { explore, ScheduleFailure, type ExploreOptions, type SimBody } from "../../src/index.ts";
import { racyPrograms } from "./racy-programs.ts";

/** The failure of an exploration that must fail. */
async function failureOf(body: SimBody, options?: ExploreOptions): Promise<ScheduleFailure> {
  try {
    await explore(body, { timeMs: 20_000, runs: 3000, ...options });
  } catch (error) {
    if (error instanceof ScheduleFailure) return error;
    throw error;
  }
  throw new Error("no schedule failed");
}

/** Two tasks of two steps on something shared: correct, and small enough to be searched in full. */
const twoTasks: SimBody = async (sim) => {
  const task = async () => {
    await sim.io("first");
    await sim.io("second");
  };
  await Promise.all([sim.spawn("A", task), sim.spawn("B", task)]);
};

describe("racy programs", () => {
  for (const { name, body, kind } of racyPrograms) {
    test(`${name}: found from any seed, explained by at most two delays, and replayed`, async ({ expect }) => {
      for (const seed of [1, 2, 3, 4, 5]) {
        const failure = await failureOf(body, { seed });
        expect(failure.kind).toBe(kind);
        expect(failure.delays.length).toBeLessThanOrEqual(2);
        expect(failure.details.scripted).toBe(0);
        const replayed = await failureOf(body, { replay: failure.replay });
        expect(replayed.trace.map(({ key }) => key)).toEqual(failure.trace.map(({ key }) => key));
        expect(replayed.details.runs).toBe(1);
      }
    });
  }

  test("a failure is explained by delays also when a delayed event has not run at all by then", async ({ expect }) => {
    // With either task held back for good, the other one can return its permit twice.
    const { body } = racyPrograms[5]!;
    for (let seed = 0; seed < 20; seed++) {
      const { details } = await failureOf(body, { seed, strategy: "random" });
      expect([details.scripted, details.delays.length]).toEqual([0, Math.min(details.delays.length, 2)]);
    }
  });

  test("200 of 200 failures replay, whatever strategy and seed found them", async ({ expect }) => {
    let replayed = 0;
    const replays = async (seed: number) => {
      const { body } = racyPrograms[seed % racyPrograms.length]!;
      const strategy = (["auto", "random", "pct", "delays"] as const)[seed % 4]!;
      const failure = await failureOf(body, { seed, strategy, delays: 2 });
      const again = await failureOf(body, { replay: failure.replay });
      if (again.kind === failure.kind && JSON.stringify(again.trace) === JSON.stringify(failure.trace)) replayed++;
    };
    // Ten at a time: they must not disturb each other either.
    for (let seed = 0; seed < 200; seed += 10)
      await Promise.all(Array.from({ length: 10 }, (_, index) => replays(seed + index)));
    expect(replayed).toBe(200);
  });

  test("are found by plain reruns of none of these schedules: the natural order passes", async ({ expect }) => {
    const natural = racyPrograms.filter(({ kind }) => kind !== "unhandledRejection");
    for (const { body } of natural) await explore(body, { runs: 1 });
    expect(natural.length).toBe(5);
  });
});

describe("coverage", () => {
  /** By default an exploration also ends after two seconds of real time, which on a busy machine is soon. */
  const unhurried = { timeMs: Infinity } as const;

  test("a small program is searched in full, and says so", async ({ expect }) => {
    const report = await explore(twoTasks, unhurried);
    // Two interleaved sequences of three events: 6! / (3! 3!).
    expect(report).toMatchObject({ runs: 20, distinct: 20, coverage: "exhausted" });
    expect(await explore(twoTasks, { ...unhurried, strategy: "exhaustive" })).toMatchObject({
      distinct: 20,
      coverage: "exhausted",
    });
  });

  test("every schedule with at most one delay is tried, and none twice", async ({ expect }) => {
    const one = await explore(twoTasks, { ...unhurried, strategy: "delays", delays: 1, runs: 1000 });
    expect(one.coverage).toBe("all schedules with at most 1 delay");
    const two = await explore(twoTasks, { ...unhurried, strategy: "delays", delays: 2, runs: 1000 });
    expect(two.coverage).toBe("all schedules with at most 2 delays");
    expect(two.distinct).toBeGreaterThan(one.distinct);
    // Three delays reach every order of this program.
    const three = await explore(twoTasks, { ...unhurried, strategy: "delays", delays: 3, runs: 5000 });
    expect(three.distinct).toBe(20);
  });

  test("the same seed explores the same schedules", async ({ expect }) => {
    const orders = async (seed: number) => {
      const seen: string[] = [];
      await explore(
        async (sim) => {
          let order = "";
          const note = (name: string) => () => void (order += name);
          await Promise.all(["a", "b", "c", "d", "e"].map((name) => sim.io(name, note(name))));
          seen.push(order + Math.random());
        },
        { ...unhurried, seed, runs: 60 },
      );
      return seen;
    };
    const [first, again, other] = await Promise.all([orders(1), orders(1), orders(2)]);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    // Two more than the budget: the natural schedule is repeated to see whether it is the same.
    expect(first.length).toBe(62);
  });

  test("respects its budget, and reports progress on a long hunt", async ({ expect }) => {
    expect((await explore(twoTasks, { ...unhurried, strategy: "random", runs: 7 })).runs).toBe(7);
    const progress: number[] = [];
    const hunt = explore(
      async (sim) => {
        await sim.io("work");
        if (progress.length > 0) throw new Error("progress was reported");
      },
      { strategy: "random", runs: Infinity, timeMs: Infinity, onProgress: ({ runs }) => progress.push(runs) },
    );
    await expect(hunt).rejects.toThrow("progress was reported");
    expect(progress[0]).toBeGreaterThan(0);
    await expect(explore(twoTasks, { runs: 0 })).rejects.toThrow("runs must be greater than 0");
  });
});

test("two answers that each take as long as they may let a timer overtake both, and that is the explanation", async ({
  expect,
}) => {
  const failure = await failureOf(
    async (sim) => {
      let lease = true;
      setTimeout(() => (lease = false), 500);
      await sim.io("first");
      await sim.io("second");
      if (!lease) throw new Error("the lease ran out");
    },
    { latency: [1, 300], leaks: "ignore" },
  );
  expect(failure.delays).toEqual([
    { event: "body: second", past: "body: setTimeout 500ms" },
    { event: "body: first", past: undefined },
  ]);
  expect(failure.message).toContain('"body: first" as late as its latency allows');
});

describe("choices and faults", () => {
  test("a choice that the failure needs is part of the explanation; others are not", async ({ expect }) => {
    const failure = await failureOf(async (sim) => {
      const picked = [sim.choose(3, "colour"), sim.choose(4, "size"), sim.choose(2, "shape")];
      await sim.io("paint");
      if (picked[1] === 3) throw new Error("size 3 is broken");
    });
    expect(failure.details.decisions).toEqual([{ label: "body: size", value: 3 }]);
    expect(failure.delays).toEqual([]);
  });

  test("a lost answer to a request that is sent again charges twice; with an idempotency key it does not", async ({
    expect,
  }) => {
    const charging =
      (isIdempotent: boolean): SimBody =>
      async (sim) => {
        const charges = new Set<string>();
        let requests = 0;
        sim.http(
          "pay.test",
          ({ headers }) => {
            charges.add(isIdempotent ? headers["idempotency-key"]! : `request ${++requests}`);
            return { json: { ok: true } };
          },
          { faults: { allow: ["reset-before", "reset-after"] } },
        );
        for (let attempt = 0; attempt < 2; attempt++) {
          try {
            await fetch("http://pay.test/charge", { method: "POST", headers: { "Idempotency-Key": "one" } });
            break;
          } catch {
            await sim.sleep(10);
          }
        }
        if (charges.size > 1) throw new Error(`charged ${charges.size} times`);
      };
    const failure = await failureOf(charging(false));
    expect(failure.details.decisions).toEqual([{ label: "body: fault in POST pay.test/charge", value: 2 }]);
    expect((await explore(charging(true))).coverage).toBe("exhausted");
  });
});

describe("replay tokens", () => {
  test("of another program are refused, not replayed as something else", async ({ expect }) => {
    const failure = await failureOf(racyPrograms[0]!.body);
    await expect(explore(twoTasks, { replay: "st1_bad" })).rejects.toThrow("Not a replay token");
    await expect(explore(twoTasks, { replay: failure.replay.slice(0, -4) })).rejects.toThrow("Not a replay token");
  });

  test("pass once the bug is fixed", async ({ expect }) => {
    const failure = await failureOf(racyPrograms[0]!.body);
    const report = await explore(
      async (sim) => {
        await Promise.all([sim.spawn("A", () => sim.io("read")), sim.spawn("B", () => sim.io("read"))]);
      },
      { replay: failure.replay },
    );
    expect(report.runs).toBe(1);
  });
});

test("a failure that does not repeat is reported as nondeterminism, with where the runs parted", async ({ expect }) => {
  let run = 0;
  const failure = await failureOf(
    async (sim) => {
      run++;
      await sim.io(run % 2 === 0 ? "even" : "odd");
      if (run > 2) throw new Error("state from earlier runs");
    },
    { strategy: "random" },
  );
  expect(failure.kind).toBe("nondeterminism");
  expect(failure.message).toMatch(/at step 0 ran body: (odd|even) instead of body: (odd|even)/);
});

test("a program that is not the same twice is found out even when nothing fails", async ({ expect }) => {
  let run = 0;
  const failure = await failureOf(async (sim) => {
    await Promise.all([sim.io("same"), sim.io(`request ${++run}`), sim.io("also the same")]);
  });
  expect(failure.kind).toBe("nondeterminism");
  expect(failure.message).toMatch(
    /when the natural schedule was repeated, at step 1 ran body: request \d+ instead of body: request \d+/,
  );
});

test("the report names the error, the delay, each step with its time and line, and the command", async ({ expect }) => {
  const { message, cause } = await failureOf(racyPrograms[0]!.body);
  expect(cause).toMatchObject({ message: "balance is 1" });
  const lines = message.split("\n");
  expect(lines[0]).toBe("assertion: balance is 1");
  expect(message).toContain('  "A: write" delayed past "B: read"');
  expect(message).toMatch(/found in schedule \d+/);
  expect(message).toMatch(/t \(ms\) +A +B/);
  expect(message).toMatch(/\* write .*racy-programs\.ts:\d+/);
  expect(message).toMatch(/replay {2}SUPERTESTER_REPLAY=st1_\S{20,60} npx vitest run \S*explore\.test\.ts$/);
  expect(message).not.toContain("\u001B[");
});

test("a livelock is reported in good time, with its culprit and who waits for it", async ({ expect }) => {
  const failure = await failureOf(
    async (sim) => {
      const state = { stopped: false };
      const poll = async () => {
        while (!state.stopped) await sim.sleep(10);
      };
      const polling = sim.spawn("poller", poll);
      const limit = setTimeout(() => (state.stopped = true), 100);
      await sim.io("work").then(() => clearTimeout(limit));
      await polling;
    },
    { maxSteps: 5000 },
  );
  expect(failure.kind).toBe("livelock");
  expect(failure.message).toContain('"poller: setTimeout 10ms" ran 1000 times in the last 1000 steps');
  expect(failure.waiting.find(({ task }) => task === "body")?.at).toMatch(/explore\.test\.ts/);
  // Of five thousand rows, those at the end.
  expect(failure.message).toMatch(/\.\.\. 49\d\d more/);
  expect(failure.message.split("\n").length).toBeLessThan(60);
});

test("a deadlock says where each task waits", async ({ expect }) => {
  const { waiting, message } = await failureOf(racyPrograms[2]!.body);
  for (const task of ["A", "B"]) {
    expect(waiting.find((wait) => wait.task === task)?.at).toMatch(/racy-programs\.ts:\d+/);
  }
  expect(message).toMatch(/A waits at .*racy-programs\.ts/);
});
