import { test } from "vitest";
import {
  FaultError,
  FaultPlan,
  isolate,
  type FaultKind,
  type FaultOptions,
  type InjectedFault,
} from "../../src/index.ts";

/** A bank whose transfers go through a boundary. */
function bank(options: FaultOptions) {
  const faults = new FaultPlan(options);
  let transfers = 0;
  const transfer = faults.wrap("bank.transfer", async (amount: number) => {
    transfers += 1;
    return amount;
  });
  return { faults, transfer, transfers: () => transfers };
}

const at = (kind: FaultKind): InjectedFault => ({ boundary: "bank.transfer", occurrence: 1, kind });

test("each kind does what it says", async ({ expect }) => {
  const reject = bank({ replay: [at("reject")] });
  await expect(reject.transfer(5)).rejects.toThrow('injected fault: reject at call 1 of "bank.transfer"');
  expect([reject.transfers(), await reject.transfer(5), reject.transfers()]).toEqual([0, 5, 1]);

  const lose = bank({ replay: [at("lose")] });
  await expect(lose.transfer(5)).rejects.toThrow(FaultError);
  expect(lose.transfers()).toBe(1);

  const duplicate = bank({ replay: [at("duplicate")] });
  expect([await duplicate.transfer(5), duplicate.transfers()]).toEqual([5, 2]);

  const slow = bank({ replay: [at("slow")] });
  expect([await slow.transfer(5), slow.transfers()]).toEqual([5, 1]);
});

test("a call that hangs ends with its caller's signal, and is refused where there is none", async ({ expect }) => {
  const faults = new FaultPlan({
    replay: [1, 2, 3].map((occurrence) => ({ boundary: "get", occurrence, kind: "hang" as const })),
  });
  const get = faults.wrap("get", async (_options?: { signal?: AbortSignal }) => "answer");
  const aborting = new AbortController();
  const hanging = get({ signal: aborting.signal });
  aborting.abort(new Error("gave up"));
  await expect(hanging).rejects.toThrow("gave up");
  await expect(get({ signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  await expect(get()).rejects.toThrow(/passes no AbortSignal/);
});

test("the same seed injects the same faults in any order of calls, and a record replays them", async ({ expect }) => {
  const run = async (options: FaultOptions, boundaries: readonly string[]) => {
    const faults = new FaultPlan(options);
    const calls = new Map(boundaries.map((name) => [name, faults.wrap(name, async () => undefined)]));
    for (const name of boundaries)
      for (let n = 0; n < 50; n += 1)
        await calls
          .get(name)?.()
          .catch(() => undefined);
    const byPlace = ({ boundary, occurrence }: InjectedFault) => `${boundary} ${occurrence}`;
    return faults.injected.toSorted((a, b) => byPlace(a).localeCompare(byPlace(b)));
  };
  const first = await run({ seed: 7 }, ["a", "b", "c"]);
  expect(first.length).toBeGreaterThan(10);
  expect(new Set(first.map(({ kind }) => kind))).toEqual(new Set(["reject", "lose", "duplicate", "slow"]));
  expect(await run({ seed: 7 }, ["c", "a", "b"])).toEqual(first);
  expect(await run({ replay: first }, ["b", "c", "a"])).toEqual(first);
  expect(await run({ seed: 8 }, ["a", "b", "c"])).not.toEqual(first);
  expect(await run({ seed: 7, max: 3 }, ["a", "b", "c"])).toHaveLength(3);
  expect(await run({ rate: 0 }, ["a"])).toEqual([]);
  expect(await run({ rate: 1, kinds: ["slow"] }, ["a"])).toHaveLength(50);
});

test("a plan that was never exercised is an error, and so is a malformed one", async ({ expect }) => {
  await isolate(async () => {
    expect(() => new FaultPlan().assertExercised()).toThrow(/a call of any boundary never came, so nothing was tested/);
    const { faults, transfer } = bank({ replay: [{ ...at("reject"), occurrence: 2 }] });
    await transfer(1);
    expect(() => faults.assertExercised()).toThrow(/call 2 of "bank.transfer" never came/);
    await expect(transfer(1)).rejects.toThrow(FaultError);
    faults.assertExercised();
    expect(faults.calls.get("bank.transfer")).toBe(2);
    for (const rate of [-1, 2, Number.NaN]) expect(() => new FaultPlan({ rate })).toThrow(/rate of faults/);
    expect(() => new FaultPlan({ kinds: ["explode" as FaultKind] })).toThrow(/"explode" is no kind of fault/);
    expect(() => new FaultPlan({ kinds: [] })).toThrow(/is no kind of fault/);
  });
});
