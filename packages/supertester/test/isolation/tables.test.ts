import { describe, test } from "vitest";
import { isolate, isolated, IsolatedMap, SharedTable, type Isolatable } from "../../src/index.ts";

describe("getOrCreateAsync", () => {
  test("callers who come together share one creation, in one table of one test", async ({ expect }) => {
    const table = new SharedTable<string, number>("tokens");
    let creations = 0;
    const create = async () => {
      const creation = (creations += 1);
      await Promise.resolve();
      return creation;
    };
    const ask = () => Promise.all([table.getOrCreateAsync("a", create), table.getOrCreateAsync("a", create)]);
    const [first, second] = await Promise.all([isolate(ask), isolate(ask)]);
    expect([first, second, await ask()]).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(creations).toBe(3);
  });

  test("a failure reaches every waiter and is not kept", async ({ expect }) => {
    const table = new SharedTable<string, string>("tokens");
    const fail = () => Promise.reject(new Error("refused"));
    const both = await Promise.allSettled([
      table.getOrCreateAsync("a", fail),
      table.getOrCreateAsync("a", () => "never called"),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await table.getOrCreateAsync("a", () => "second try")).toBe("second try");
    const thrown = table.getOrCreateAsync("b", () => {
      throw new Error("thrown at once");
    });
    await expect(thrown).rejects.toThrow("thrown at once");
  });

  test("one caller's abort leaves the others their creation; the last one's aborts it", async ({ expect }) => {
    const table = new SharedTable<string, string>("tokens");
    const { promise: gate, resolve: open } = Promise.withResolvers<string>();
    const signals: AbortSignal[] = [];
    const create = (_key: string, signal: AbortSignal) => {
      signals.push(signal);
      return gate;
    };
    const [first, second] = [new AbortController(), new AbortController()];
    const one = table.getOrCreateAsync("a", create, { signal: first.signal });
    const two = table.getOrCreateAsync("a", create, { signal: second.signal });
    first.abort(new Error("not me"));
    await expect(one).rejects.toThrow("not me");
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    second.abort(new Error("nor me"));
    await expect(two).rejects.toThrow("nor me");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    // The next caller does not join what is being aborted, and what that yields late changes nothing.
    const fresh = table.getOrCreateAsync("a", () => "fresh");
    open("stale");
    expect(await fresh).toBe("fresh");
    expect(table.get("a")).toBe("fresh");
    await expect(
      table.getOrCreateAsync("b", () => "x", { signal: AbortSignal.abort(new Error("gone")) }),
    ).rejects.toThrow("gone");
  });

  test("a value that somebody sets meanwhile stays", async ({ expect }) => {
    const table = new SharedTable<string, string>("tokens");
    const creating = table.getOrCreateAsync("a", () => "created");
    table.set("a", "set");
    expect([await creating, table.get("a")]).toEqual(["set", "set"]);
  });
});

test("getOrCreate creates once, also when the creation uses the table", ({ expect }) => {
  const table = new SharedTable<string, number>("squares");
  const create = (key: string) => {
    table.set(key, 1);
    return 2;
  };
  expect([table.getOrCreate("a", create), table.getOrCreate("a", create), table.size]).toEqual([1, 1, 1]);
});

describe("modes", () => {
  test("shared: the process's own; snapshot: a copy of it; empty: neither", async ({ expect }) => {
    const table = new IsolatedMap([["base", { n: 1 }]]);
    await isolate(() => {
      table.isolateAs("shared");
      table.set("added", { n: 2 });
    });
    await isolate(() => {
      table.isolateAs("snapshot");
      expect([...table.keys()]).toEqual(["base", "added"]);
      table.delete("base");
      table.clear();
    });
    await isolate(() => expect([table.size, table.has("base"), [...table]]).toEqual([0, false, []]));
    expect([...table.entries()]).toEqual([
      ["base", { n: 1 }],
      ["added", { n: 2 }],
    ]);
  });

  test("the owner's clone decides what a copy is", async ({ expect }) => {
    class Money {
      readonly amount: number;
      constructor(amount: number) {
        this.amount = amount;
      }
    }
    const table = new SharedTable("prices", {
      mode: "snapshot",
      entries: [["tea", new Money(3)]],
      clone: ({ amount }: Money) => new Money(amount),
    });
    await isolate(() => {
      expect(table.get("tea")).toEqual(new Money(3));
      expect(table.get("tea")).toBeInstanceOf(Money);
    });
  });

  test("it is a Map to whoever uses it as one", async ({ expect }) => {
    const table = new IsolatedMap<string, number>();
    await isolate(() => {
      table.set("a", 1).set("b", 2);
      const visited: unknown[] = [];
      table.forEach((value, key, map) => visited.push([key, value, map === table]));
      expect(visited).toEqual([
        ["a", 1, true],
        ["b", 2, true],
      ]);
      expect(table).toBeInstanceOf(Map);
      expect(new Map(table)).toEqual(
        new Map([
          ["a", 1],
          ["b", 2],
        ]),
      );
      expect([[...table.values()], table.delete("a"), table.delete("a")]).toEqual([[1, 2], true, false]);
    });
  });
});

describe("singletons", () => {
  test("each test's own is made at first use and disposed with the test; an injected one is left alone", async ({
    expect,
  }) => {
    const disposed: number[] = [];
    let made = 0;
    const holder = isolated(() => (made += 1), { dispose: (value) => disposed.push(value) });
    expect(await isolate(() => [holder.current, holder.current])).toEqual([1, 1]);
    await isolate(() => {
      holder.inject(100);
      expect(holder.current).toBe(100);
    });
    expect([disposed, holder.current, made]).toEqual([[1], 2, 2]);
  });
});

describe("the protocol for libraries", () => {
  const declare = (entry: Isolatable<{ id: number }>) => {
    const holder = globalThis as { [key: symbol]: { push(entry: unknown): unknown } | undefined };
    (holder[Symbol.for("supertester.isolatable")] ??= [] as unknown[]).push(entry);
  };

  test("a library declared after the kit was installed is routed, disposed, and shared on request", async ({
    expect,
  }) => {
    await isolate(() => undefined);
    let resolve: () => { id: number } | undefined = () => undefined;
    const disposed: number[] = [];
    let next = 1;
    declare({
      name: "tables-test.registry",
      create: () => ({ id: next++ }),
      route: (found) => void (resolve = found),
      dispose: ({ id }) => disposed.push(id),
    });
    expect(resolve()).toBeUndefined();
    const ids = await Promise.all([isolate(() => resolve()?.id), isolate(() => resolve()?.id)]);
    expect(ids).toEqual([1, 2]);
    expect(disposed).toEqual([1, 2]);
    expect(await isolate({ shared: ["tables-test.registry"] }, () => resolve())).toBeUndefined();
  });

  test("a malformed declaration is refused where it is made", async ({ expect }) => {
    await isolate(() => undefined);
    expect(() => declare({ name: "broken" } as Isolatable<{ id: number }>)).toThrow(
      /needs a name, create\(\) and route\(resolve\)/,
    );
  });
});
