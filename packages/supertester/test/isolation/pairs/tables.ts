import assert from "node:assert/strict";
import { isolated, IsolatedMap, SharedTable, type Isolatable } from "../../../src/index.ts";
import type { Member, Pair } from "./pair.ts";

// The application's module-level state.
const sessions = new Map<string, number>();
const isolatedSessions = new IsolatedMap<string, number>();
const seeds: readonly (readonly [string, { price: number }])[] = [["tea", { price: 3 }]];
const catalogue = new Map(seeds.map(([key, value]) => [key, { ...value }]));
const isolatedCatalogue = new SharedTable<string, { price: number }>("catalogue", { mode: "snapshot", entries: seeds });

class Mailer {
  readonly sent: number[] = [];
}
let mailer = new Mailer();
const isolatedMailer = isolated(() => new Mailer());

// A library that can be isolated and has never heard of the kit.
let resolve: (() => Set<number> | undefined) | undefined;
const processWide = new Set<number>();
const registry = () => resolve?.() ?? processWide;
const declared = globalThis as { [key: symbol]: Isolatable<Set<number>>[] | undefined };
(declared[Symbol.for("supertester.isolatable")] ??= []).push({
  name: "pairs.registry",
  create: () => new Set<number>(),
  route: (found) => void (resolve = found),
});

async function useSessions(table: Map<string, number>, { n, pause }: Member): Promise<void> {
  assert.equal(table.size, 0);
  table.set("current", n);
  await pause();
  assert.deepEqual([...table], [["current", n]]);
}

async function usePrices(table: Map<string, { price: number }>, { n, pause }: Member): Promise<void> {
  const tea = table.get("tea");
  assert.equal(tea?.price, 3);
  tea.price = 100 + n;
  await pause();
  assert.equal(table.get("tea")?.price, 100 + n);
}

async function useRegistry({ n, pause }: Member): Promise<void> {
  registry().add(n);
  await pause();
  assert.deepEqual([...registry()], [n]);
}

export const pairs: readonly Pair[] = [
  {
    promise: "a shared table, empty",
    bare: (member) => useSessions(sessions, member),
    kit: (member) => useSessions(isolatedSessions, member),
  },
  {
    promise: "a shared table, as a snapshot",
    bare: (member) => usePrices(catalogue, member),
    kit: (member) => usePrices(isolatedCatalogue, member),
  },
  {
    promise: "an injected singleton",
    async bare({ n, pause }) {
      const mine = (mailer = new Mailer());
      await pause();
      mailer.sent.push(n);
      assert.deepEqual(mine.sent, [n]);
    },
    async kit({ n, pause }) {
      const mine = new Mailer();
      if (n % 2 === 0) isolatedMailer.inject(mine);
      await pause();
      isolatedMailer.current.sent.push(n);
      assert.deepEqual(isolatedMailer.current.sent, [n]);
      assert.equal(isolatedMailer.current === mine, n % 2 === 0);
    },
  },
  { promise: "a library's state, by protocol", bare: useRegistry, kit: useRegistry },
];
