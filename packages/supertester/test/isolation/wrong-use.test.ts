import { describe, test } from "vitest";
import {
  currentScope,
  isolate,
  isolated,
  isolateLogger,
  IsolatedMap,
  type IsolationError,
  SharedTable,
  SupertesterError,
  type IsolateOptions,
  type IsolationErrorCode,
  type LogLevel,
  type Scope,
  type TableMode,
} from "../../src/index.ts";

const code = (expected: IsolationErrorCode) =>
  expect_((error) => SupertesterError.isInstance(error) && (error as IsolationError).code === expected);
const expect_ = (check: (error: unknown) => boolean) => ({ asymmetricMatch: check });

describe("outside a test", () => {
  test("the scope does not exist, and the error says how to get one", ({ expect }) => {
    expect(() => currentScope()).toThrow(code("outside-test"));
    expect(() => currentScope()).toThrow(/setupFiles.*node-test.*isolate.*bind/s);
  });

  test("nothing can be injected, and no table's mode chosen", ({ expect }) => {
    expect(() => isolated(() => 1).inject(2)).toThrow(code("outside-test"));
    expect(() => new IsolatedMap().isolateAs("shared")).toThrow(code("outside-test"));
  });
});

describe("after the test has ended", () => {
  const uses: Readonly<Record<string, (scope: Scope) => unknown>> = {
    capture: (scope) => scope.capture("late"),
    trace: (scope) => scope.trace("late"),
    settled: (scope) => scope.settled(),
    defer: (scope) => scope.defer(() => undefined),
    start: (scope) => scope.start({ start: () => 1 }),
    supervise: (scope) => scope.supervise({ children: [] }),
    unique: (scope) => scope.unique("late"),
    tmpDir: (scope) => scope.tmpDir(),
    listen: (scope) => scope.listen(() => undefined),
    setLevel: (scope) => scope.logs.setLevel("debug"),
    "the check of a recording": (scope) => scope.logs.none(),
  };
  for (const [name, use] of Object.entries(uses)) {
    test(`${name} is refused, naming the test`, async ({ expect }) => {
      const scope = await isolate({ id: "the one that ended" }, (own) => own);
      await expect((async () => use(scope))()).rejects.toThrow(/"the one that ended"/);
      await expect((async () => use(scope))()).rejects.toThrow(code("after-end"));
    });
  }

  test("its late code can no longer change the environment, nor find the scope", async ({ expect }) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let late: Promise<unknown> = Promise.resolve();
    await isolate(() => {
      late = gate.then(() => (process.env["LATE"] = "1"));
    });
    open();
    await expect(late).rejects.toThrow(code("after-end"));
    expect(process.env["LATE"]).toBeUndefined();
  });

  test("what was recorded stays readable", async ({ expect }) => {
    const scope = await isolate((own) => {
      console.log("kept");
      return own;
    });
    expect(String(scope.logs)).toBe("console info: kept");
  });
});

describe("an isolation that cannot be given", () => {
  test("checks of events where no channel is captured", async ({ expect }) => {
    await isolate((scope) => expect(() => scope.events).toThrow(code("not-isolatable")));
  });

  test("checks of spans, log records and measurements that nothing routes", async ({ expect }) => {
    await isolate((scope) => {
      expect(() => scope.spans()).toThrow(/scopeSpanProcessor\(\)/);
      expect(() => scope.logRecords()).toThrow(/scopeLogRecordProcessor\(\)/);
      expect(() => scope.measurements()).toThrow(code("not-isolatable"));
    });
  });

  test("a clock to move, in a test that runs in real time", async ({ expect }) => {
    await isolate((scope) => expect(() => scope.clock).toThrow(code("not-isolatable")));
  });

  test("a time zone of one's own", async ({ expect }) => {
    await isolate(() => expect(() => (process.env["TZ"] = "Asia/Tokyo")).toThrow(code("not-isolatable")));
  });

  test("a snapshot of instances of classes, whose methods a copy would lose", async ({ expect }) => {
    class Connection {
      readonly open = true;
    }
    const table = new SharedTable<string, unknown>("connections", {
      mode: "snapshot",
      entries: [["a", { deep: [new Connection()] }]],
    });
    await isolate(() => expect(() => table.get("a")).toThrow(/"connections" holds an instance of Connection.*clone/s));
  });

  test("another mode for a table that the test has used", async ({ expect }) => {
    const table = new IsolatedMap<string, number>();
    await isolate(() => {
      table.set("a", 1);
      expect(() => table.isolateAs("shared")).toThrow(code("not-isolatable"));
    });
  });

  test("a logger that is not pino's", ({ expect }) => {
    expect(() => isolateLogger({ level: "info", levels: { values: {} } })).toThrow(code("not-isolatable"));
  });

  test("sharing of an isolatable that nothing has declared", async ({ expect }) => {
    await expect(isolate({ shared: ["no.such"] }, () => undefined)).rejects.toThrow(
      /nothing isolatable is called "no.such"/,
    );
  });
});

describe("malformed arguments", () => {
  const malformed: Readonly<Record<string, IsolateOptions>> = {
    "an option that does not exist": { chanels: ["a"] } as IsolateOptions,
    "an env mode that does not exist": { env: "mine" as "own" },
    "a leak rule that does not exist": { leaks: { timer: "fail" } as object },
    "a leak verdict that does not exist": { leaks: { timers: "explode" as "fail" } },
    "an allow-list that is no list of patterns": { leaks: { allow: ["x"] as unknown as RegExp[] } },
    "a log level that does not exist": { logLevel: "loud" as LogLevel },
    "a channel without a name": { channels: [""] },
  };
  for (const [name, options] of Object.entries(malformed)) {
    test(`${name} is refused before the test runs`, async ({ expect }) => {
      let ran = false;
      await expect(isolate(options, () => (ran = true))).rejects.toThrow(code("invalid-argument"));
      expect(ran).toBe(false);
    });
  }

  test("isolate without a body", async ({ expect }) => {
    await expect(isolate({}, undefined as never)).rejects.toThrow(code("invalid-argument"));
  });

  test("names, counts, limits and modes that make no sense", async ({ expect }) => {
    expect(() => new IsolatedMap([], { mode: "private" as TableMode })).toThrow(code("invalid-argument"));
    await isolate({ channels: ["wrong-use"] }, async (scope) => {
      for (const prefix of ["", "a/b", "a b"]) expect(() => scope.unique(prefix)).toThrow(code("invalid-argument"));
      for (const count of [-1, 1.5, Number.NaN, Infinity])
        await expect(scope.events.exactly(count)).rejects.toThrow(code("invalid-argument"));
      for (const limitMs of [0, -1, Number.NaN, Infinity])
        expect(() => scope.defer(() => undefined, { limitMs })).toThrow(code("invalid-argument"));
      expect(() => scope.defer("x" as never)).toThrow(code("invalid-argument"));
      await expect(scope.start({} as never)).rejects.toThrow(code("invalid-argument"));
      await expect(scope.listen(7 as never)).rejects.toThrow(code("invalid-argument"));
    });
  });
});
