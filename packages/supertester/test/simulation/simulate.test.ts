import { AsyncLocalStorage } from "node:async_hooks";
import { EventEmitter, once } from "node:events";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import { explore, simulate, type RunOptions, type SimBody, type SimulationError } from "../../src/index.ts";

/** The error of a simulation that must fail. */
async function errorOf(body: SimBody, options?: RunOptions): Promise<unknown> {
  return simulate(body, options).then(
    () => new Error("the simulation passed"),
    (error: unknown) => error,
  );
}

describe("virtual time", () => {
  test("a day passes at once, and the body's value comes back", async ({ expect }) => {
    const elapsed = await simulate(async () => {
      const start = Date.now();
      await sleep(86_000_000);
      return Date.now() - start;
    });
    expect(elapsed).toBe(86_000_000);
  });

  test("starts at the epoch, which can be chosen; the wall clock can jump, timers do not notice", async ({
    expect,
  }) => {
    expect(await simulate(() => new Date().toISOString())).toBe("2000-01-01T00:00:00.000Z");
    await simulate(
      async (sim) => {
        expect(new Date().getUTCFullYear()).toBe(2030);
        const [wall, monotonic] = [Date.now(), performance.now()];
        sim.jumpClock(-3_600_000);
        expect(Date.now()).toBe(wall - 3_600_000);
        await sim.sleep(10);
        expect(performance.now()).toBe(monotonic + 10);
      },
      { epoch: "2030-06-01T00:00:00Z" },
    );
  });

  test("a thing that needs 20 ms of timers is done in the order of its deadlines under every schedule", async ({
    expect,
  }) => {
    const report = await explore(async (sim) => {
      const order: number[] = [];
      await Promise.all([1000, 10, 500].map(async (ms) => (await sim.sleep(ms), order.push(ms))));
      if (order.join() !== "10,500,1000") throw new Error(`fired as ${order.join()}`);
    });
    expect(report).toMatchObject({ runs: 1, coverage: "exhausted" });
  });

  test("a timer overtakes I/O only when its latency allows", async ({ expect }) => {
    const race = (ms: number) => async () => {
      const winners = new Set<string>();
      await explore(
        async (sim) => {
          const timer = sim.sleep(ms).then(() => "timer");
          const io = sim.io("io", undefined, { latency: [50, 100] }).then(() => "io");
          winners.add(await Promise.race([timer, io]));
        },
        { leaks: "ignore" },
      );
      return [...winners].sort().join();
    };
    expect(await race(40)()).toBe("timer");
    expect(await race(60)()).toBe("io,timer");
    expect(await race(101)()).toBe("io");
  });
});

describe("randomness", () => {
  const draw = (seed: number | string) => simulate(() => [Math.random(), crypto.randomUUID()], { seed });

  test("follows the seed of the run", async ({ expect }) => {
    const [first, again, other] = await Promise.all([draw(1), draw(1), draw("other")]);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("of one task does not depend on what the others draw, or when", async ({ expect }) => {
    const draws = new Map<string, Set<number>>();
    await explore(
      async (sim) => {
        const task = async (name: string) => {
          await sim.io("before");
          draws.set(name, (draws.get(name) ?? new Set()).add(Math.random()));
        };
        await Promise.all(["A", "B"].map((name) => sim.spawn(name, () => task(name))));
      },
      { strategy: "exhaustive" },
    );
    const [a, b] = [...draws.values()];
    expect([a?.size, b?.size]).toEqual([1, 1]);
    expect(a).not.toEqual(b);
  });
});

describe("order", () => {
  test("timers with one deadline fire in the order of their making in every schedule", async ({ expect }) => {
    const orders = new Set<string>();
    await explore(async (sim) => {
      let order = "";
      for (const name of ["a", "b", "c", "d"]) setTimeout(() => (order += name), 10);
      await Promise.all([sim.io("io"), sim.sleep(10)]);
      await sim.sleep(200);
      orders.add(order);
    });
    expect([...orders]).toEqual(["abcd"]);
  });

  test("microtasks, next-ticks and immediates keep Node's own order in every schedule", async ({ expect }) => {
    const orders = new Set<string>();
    await explore(async (sim) => {
      await sim.io("start");
      const order: string[] = [];
      const note = (name: string) => () => void order.push(name);
      const immediate = new Promise<void>((resolve) => {
        setImmediate(note("immediate 1"));
        setImmediate(() => (note("immediate 2")(), resolve()));
      });
      void Promise.resolve().then(note("microtask 1")).then(note("microtask 3"));
      queueMicrotask(note("microtask 2"));
      process.nextTick(note("tick"));
      await immediate;
      orders.add(order.join());
    });
    expect([...orders]).toEqual(["microtask 1,microtask 2,microtask 3,tick,immediate 1,immediate 2"]);
  });

  test("chunks of one response keep their order; two responses interleave", async ({ expect }) => {
    const seen = new Set<string>();
    await explore(
      async (sim) => {
        sim.http("stream.test", {
          fetch: (request) => {
            const name = new URL(request.url).pathname.slice(1);
            const lines = [1, 2].map((part) => `${name}${part}`);
            return new Response(
              new ReadableStream<string>({
                async pull(controller) {
                  await sleep(1);
                  const line = lines.shift();
                  if (line === undefined) controller.close();
                  else controller.enqueue(line);
                },
              }).pipeThrough(new TextEncoderStream()),
            );
          },
        });
        let all = "";
        const read = async (name: string) => {
          const { body } = await fetch(`http://stream.test/${name}`);
          for await (const chunk of body!) all += new TextDecoder().decode(chunk);
        };
        await Promise.all([read("a"), read("b")]);
        seen.add(all);
      },
      { strategy: "random", runs: 300, timeMs: 10_000 },
    );
    for (const order of seen) {
      expect(order.indexOf("a1")).toBeLessThan(order.indexOf("a2"));
      expect(order.indexOf("b1")).toBeLessThan(order.indexOf("b2"));
    }
    expect(seen.size).toBe(6);
  });

  test("streams, emitters and abort signals of Node work unchanged", async ({ expect }) => {
    const text = await simulate(
      async (sim) => {
        const source = new PassThrough();
        const target = new PassThrough();
        const emitter = new EventEmitter();
        void sim.spawn("writer", async () => {
          for (const word of ["one ", "two ", "three"]) {
            await sim.sleep(5);
            source.write(word);
          }
          source.end();
          emitter.emit("written", sim.now);
        });
        const written = once(emitter, "written", { signal: AbortSignal.timeout(1000) });
        let all = "";
        target.on("data", (chunk: Buffer) => (all += chunk.toString()));
        await Promise.all([pipeline(source, target), written]);
        return all;
      },
      { leaks: "ignore" },
    );
    expect(text).toBe("one two three");
  });
});

describe("what goes wrong is named", () => {
  test("an assertion of the body is thrown as it is", async ({ expect }) => {
    const problem = new RangeError("wrong");
    expect(await errorOf(() => Promise.reject(problem))).toBe(problem);
  });

  test("a rejection that nobody handles", async ({ expect }) => {
    const error = await errorOf(async (sim) => {
      void sim.io("job", () => Promise.reject(new Error("lost")));
      await sim.sleep(500);
    });
    expect(error).toMatchObject({ message: "lost" });
  });

  test("an error in a next-tick, a microtask callback, a timer and an emitter without listener", async ({ expect }) => {
    const later: ((fail: () => void) => void)[] = [
      (fail) => process.nextTick(fail),
      (fail) => queueMicrotask(fail),
      (fail) => setTimeout(fail, 1),
      (fail) => setImmediate(fail),
      () => new PassThrough().destroy(new Error("boom")),
    ];
    for (const start of later) {
      const error = await errorOf(async (sim) => {
        start(() => {
          throw new Error("boom");
        });
        await sim.sleep(10);
      });
      expect(error).toMatchObject({ message: "boom" });
    }
  });

  test("a deadlock, at once", async ({ expect }) => {
    const error = await errorOf(async (sim) => {
      await sim.sleep(25);
      await new Promise(() => {});
    });
    expect(error).toMatchObject({ kind: "deadlock" });
    expect(String(error)).toContain("deadlock at t=25ms after 1 step");
  });

  test("a livelock, with its culprit, by steps and by time", async ({ expect }) => {
    const poll: SimBody = async (sim) => {
      for (;;) await sim.sleep(100);
    };
    expect(String(await errorOf(poll, { maxSteps: 50 }))).toContain(
      'not done after 50 steps; "body: setTimeout 100ms" ran 50',
    );
    expect(String(await errorOf(poll, { maxVirtualMs: 2000 }))).toContain("not done after 2000 ms of virtual time");
  });

  test("an invariant, an eventuality, and work that is left behind", async ({ expect }) => {
    const invariant = await errorOf(async (sim) => {
      let level = 0;
      sim.always("level stays low", () => level < 3);
      for (;;) {
        level++;
        await sim.sleep(1);
      }
    });
    expect(invariant).toMatchObject({ kind: "invariant", message: expect.stringContaining('"level stays low"') });
    const eventually = await errorOf((sim) => sim.eventually("done", () => false, 100));
    expect(eventually).toMatchObject({
      kind: "invariant",
      message: expect.stringContaining("did not hold within 100ms"),
    });
    await simulate(async (sim) => {
      let done = false;
      setTimeout(() => (done = true), 50);
      await sim.eventually("done", () => done, 100);
      expect(sim.now).toBe(50);
    });
    const leak: SimBody = (sim) => {
      setInterval(() => {}, 10);
      setTimeout(() => {}, 10).unref();
      void sim.io("write");
      void sim.spawn("forgotten", () => sim.sleep(1));
    };
    expect(await errorOf(leak)).toMatchObject({ kind: "leak" });
    const { message } = (await errorOf(leak)) as SimulationError;
    for (const left of ["setInterval 10ms", "body: write", '"forgotten" has not finished'])
      expect(message).toContain(left);
    expect(message).not.toContain("setTimeout 10ms");
    await simulate(leak, { leaks: "ignore" });
  });

  test("options that make no sense", async ({ expect }) => {
    expect(String(await errorOf(() => {}, { latency: [5, 1] }))).toContain("latency must be [min, max]");
    expect(String(await errorOf(() => {}, { maxSteps: Number.NaN }))).toContain("maxSteps must be greater than 0");
    expect(String(await errorOf((sim) => void sim.choose(0)))).toContain("choose needs a count");
    expect(String(await errorOf((sim) => sim.http("not a host", () => ({}))))).toContain("Not a host");
    expect(String(await errorOf(() => simulate(() => {})))).toContain("cannot be called inside a simulation");
  });
});

describe("several at once", () => {
  /** A run with timers, HTTP, randomness and three tasks; returns all that it saw. */
  const busy: SimBody<string> = async (sim) => {
    const log: string[] = [];
    sim.http("api.test", async ({ path }) => {
      await sleep(3);
      return { json: { path, lucky: Math.random() } };
    });
    const task = async (name: string) => {
      for (let round = 0; round < 5; round++) {
        const response = await fetch(`http://api.test/${name}/${round}`);
        log.push(`${sim.now} ${JSON.stringify(await response.json())}`);
        await sleep(10 * Math.random());
      }
    };
    await Promise.all(["a", "b", "c"].map((name) => sim.spawn(name, () => task(name))));
    return log.join("\n");
  };

  test("simulations do not disturb each other, nor tests in real time beside them", async ({ expect }) => {
    const alone = await simulate(busy, { seed: 3 });
    let realTicks = 0;
    const interval = setInterval(() => realTicks++, 1);
    const together = await Promise.all(
      Array.from({ length: 9 }, (_, index) => simulate(busy, { seed: 3, driver: index % 2 === 0 ? "auto" : "turn" })),
    );
    const year = new Date().getFullYear();
    clearInterval(interval);
    expect(new Set([alone, ...together]).size).toBe(1);
    expect(year).toBeGreaterThan(2000);
  });

  test("both drivers run the same schedules", async ({ expect }) => {
    const orders = async (driver: "sync" | "turn") => {
      const seen: string[] = [];
      const body: SimBody = async (sim) => void seen.push(await busy(sim));
      await explore(body, { driver, runs: 30, timeMs: 20_000 });
      return seen;
    };
    const [sync, turn] = await Promise.all([orders("sync"), orders("turn")]);
    expect(turn).toEqual(sync);
    expect(new Set(sync).size).toBeGreaterThan(20);
  });

  test("the caller's own async context reaches the body, its tasks, timers and servers", async ({ expect }) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    await storage.run("mine", () =>
      simulate(async (sim) => {
        const note = () => void seen.push(storage.getStore());
        sim.http("api.test", () => (note(), {}));
        setTimeout(note, 1);
        await sim.spawn("task", note);
        await sim.io("io", note);
        await fetch("http://api.test/");
        note();
      }),
    );
    expect(seen).toEqual(Array.from({ length: 5 }, () => "mine"));
  });
});
