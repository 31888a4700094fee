import { AsyncLocalStorage } from "node:async_hooks";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { bind, isolate, SharedTable } from "supertester";

export const name = "isolation";

const repeats = 5;

/** Nanoseconds per operation, the best of five runs: the others measure what else the machine does. */
async function best(operations: number, work: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < repeats; round += 1) {
    const started = process.hrtime.bigint();
    await work();
    least = Math.min(least, Number(process.hrtime.bigint() - started) / operations);
  }
  return least;
}

const events = 100_000;

function publishTo(to: ReturnType<typeof channel>): () => void {
  return () => {
    for (let n = 0; n < events; n += 1) to.publish(n);
  };
}

/** Nanoseconds per published event when `atOnce` tests run, by what routes them. */
async function routing(atOnce: number): Promise<{ none: number; kit: number; filters: number }> {
  const none = await best(events, publishTo(channel(`bench:none:${atOnce}`)));

  const nested = (depth: number, captured: string, body: () => unknown): Promise<unknown> =>
    isolate({ channels: [captured], leaks: "off" }, async () =>
      depth > 1 ? nested(depth - 1, captured, body) : body(),
    );
  let kit = Infinity;
  for (let round = 0; round < repeats; round += 1) {
    // A new channel each time, so that a buffer never gets longer than one round fills it.
    const routed = `bench:kit:${atOnce}:${round}`;
    await nested(atOnce, routed, async () => {
      const started = process.hrtime.bigint();
      publishTo(channel(routed))();
      kit = Math.min(kit, Number(process.hrtime.bigint() - started) / events);
    });
  }

  const owners = new AsyncLocalStorage<number>();
  const filtered = channel(`bench:filters:${atOnce}`);
  const seen: unknown[][] = [];
  const listeners = Array.from({ length: atOnce }, (_, owner) => {
    const own: unknown[] = (seen[owner] = []);
    return (message: unknown) => {
      if (owners.getStore() === owner) own.push(message);
    };
  });
  for (const listener of listeners) subscribe(filtered.name, listener);
  const filters = await best(events, () => owners.run(0, publishTo(filtered)));
  for (const listener of listeners) unsubscribe(filtered.name, listener);
  return { none, kit, filters };
}

const tests = 2000;

/** Microseconds per test around an empty body, concurrently and one after the other. */
async function perTest(): Promise<{ bare: number; concurrent: number; sequential: number; withLogs: number }> {
  const many = (one: () => Promise<unknown>) => () => Promise.all(Array.from({ length: tests }, one));
  const body = async () => undefined;
  const micro = async (work: () => unknown) => (await best(tests, work)) / 1000;
  return {
    bare: await micro(many(body)),
    concurrent: await micro(many(() => isolate(body))),
    sequential: await micro(async () => {
      for (let n = 0; n < tests; n += 1) await isolate(body);
    }),
    withLogs: await micro(
      many(() =>
        isolate({ channels: ["bench:per-test"] }, async () => {
          for (let n = 0; n < 5; n += 1) console.log("line", n);
          process.env["BENCH"] = "1";
        }),
      ),
    ),
  };
}

/** Nanoseconds of the shims that application code meets, inside a test and without. */
async function shims(): Promise<readonly (readonly [string, number, number])[]> {
  const map = new Map([["a", 1]]);
  const table = new SharedTable("bench", { mode: "snapshot", entries: [["a", 1]] });
  const realEnv = { ...process.env };
  const loop = (step: () => unknown) =>
    best(events, () => {
      for (let n = 0; n < events; n += 1) step();
    });
  const inside = (step: () => unknown) => isolate({ leaks: "off" }, () => loop(step));
  return [
    ["SharedTable.get (Map.get)", await loop(() => map.get("a")), await inside(() => table.get("a"))],
    ["process.env read (plain object)", await loop(() => realEnv["PATH"]), await inside(() => process.env["PATH"])],
    ["bound callback (plain call)", await loop(() => undefined), await inside(bind(() => undefined))],
  ];
}

/** Prints what isolation costs, beside the same without the kit and beside a filtering subscriber per test. */
export async function run(): Promise<void> {
  const ns = (value: number) => value.toFixed(value < 10 ? 1 : 0).padStart(7);
  console.log("ns per telemetry event     no subscriber   routed by the kit   a filter per test");
  for (const count of [1, 10, 100]) {
    const { none, kit, filters } = await routing(count);
    console.log(
      `  ${String(count).padStart(3)} tests at once       ${ns(none)}         ${ns(kit)}             ${ns(filters)}`,
    );
  }
  const { bare, concurrent, sequential, withLogs } = await perTest();
  console.log("us per test");
  console.log(
    `  no kit ${ns(bare)}   concurrent ${ns(concurrent)}   sequential ${ns(sequential)}   concurrent with 5 log lines and env ${ns(withLogs)}`,
  );
  console.log("ns per call                        without     in a test");
  for (const [what, without, within] of await shims())
    console.log(`  ${what.padEnd(32)} ${ns(without)}     ${ns(within)}`);
}
