import { test } from "vitest";
import {
  explore,
  runScenario,
  scenarioBody,
  ScenarioError,
  ScheduleFailure,
  simulate,
  type Scenario,
} from "../../src/index.ts";

interface Account {
  balance: number;
  readonly log: string[];
  cleaned: boolean;
}

/** Two clerks who read, think and write; `atomic` ones do it in one go. */
function clerks(think: (() => Promise<void>) | undefined): Scenario<Account> {
  const deposit = async (account: Account) => {
    const before = account.balance;
    await think?.();
    account.balance = (think === undefined ? account.balance : before) + 10;
    account.log.push("deposit");
  };
  return {
    setup: () => ({ balance: 0, log: [], cleaned: false }),
    actors: { alice: deposit, bob: deposit },
    invariant: ({ balance, log }) => balance === 10 * log.length,
    cleanup: (account) => (account.cleaned = true),
  };
}

const timer = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

test("a correct scenario passes for every seed, and reports what happened", async ({ expect }) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const report = await runScenario(clerks(undefined), { seed });
    expect(report.seed).toBe(seed);
    expect(report.checks).toBeGreaterThan(0);
    expect(report.events.map(({ actor, kind }) => `${actor} ${kind}`).toSorted()).toEqual([
      "alice began",
      "alice finished",
      "bob began",
      "bob finished",
    ]);
  }
});

test("the seed decides who begins", async ({ expect }) => {
  const first = async (seed: number) => (await runScenario(clerks(undefined), { seed })).events[0]?.actor;
  const firsts = await Promise.all(Array.from({ length: 20 }, (_, seed) => first(seed)));
  expect(new Set(firsts)).toEqual(new Set(["alice", "bob"]));
  expect(await first(3)).toBe(await first(3));
});

test("a broken invariant fails with the story, after the cleanup", async ({ expect }) => {
  let state: Account | undefined;
  // Both read before either writes.
  let reading = 0;
  const { promise: bothHaveRead, resolve } = Promise.withResolvers<void>();
  const scenario = clerks(() => {
    reading += 1;
    if (reading === 2) resolve();
    return bothHaveRead;
  });
  const failing = runScenario(
    { ...scenario, setup: () => (state = { balance: 0, log: [], cleaned: false }) },
    { seed: 1 },
  );
  await expect(failing).rejects.toThrow(
    /^invariant failed with seed 1: the invariant returned false\n {2}turn \d+: (?:alice|bob) began/,
  );
  await expect(failing).rejects.toBeInstanceOf(ScenarioError);
  expect(state).toMatchObject({ log: ["deposit", "deposit"], cleaned: true });
});

test("the invariant is checked while actors wait, not only at the end", async ({ expect }) => {
  const scenario: Scenario<{ locked: boolean }> = {
    setup: () => ({ locked: false }),
    actors: {
      async holder(state) {
        state.locked = true;
        await timer();
        state.locked = false;
      },
    },
    invariant: ({ locked }) => {
      if (locked) throw new Error("seen locked");
    },
  };
  await expect(runScenario(scenario)).rejects.toThrow("seen locked");
});

test("failures of actors and of the cleanup are named; a scenario without actors is refused", async ({ expect }) => {
  const boom = () => Promise.reject(new Error("boom"));
  await expect(runScenario({ setup: () => 0, actors: { carol: boom } })).rejects.toMatchObject({
    where: "carol",
    message: expect.stringContaining("carol failed"),
  });
  await expect(
    runScenario({ setup: () => 0, actors: { carol: async () => undefined }, cleanup: boom }),
  ).rejects.toMatchObject({ where: "cleanup" });
  await expect(runScenario({ setup: () => 0, actors: {} })).rejects.toThrow(/without actors would check nothing/);
});

test("the same scenario runs in a simulation, and exploration finds what one native order hides", async ({
  expect,
}) => {
  const hidden: Scenario<{ open: boolean; used: boolean }> = {
    setup: () => ({ open: true, used: false }),
    actors: {
      async user(state) {
        await timer();
        if (!state.open) throw new Error("used after close");
        state.used = true;
      },
      async closer(state) {
        await new Promise<void>((resolve) => setTimeout(resolve, 1));
        await timer();
        state.open = false;
      },
    },
  };
  await simulate(scenarioBody(hidden));
  await expect(explore(scenarioBody(hidden))).rejects.toThrow(ScheduleFailure);
  await explore(scenarioBody(clerks(undefined)));
  await expect(explore(scenarioBody(clerks(timer)))).rejects.toThrow(/invariant/);
});
