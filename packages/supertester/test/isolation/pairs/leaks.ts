import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createServer } from "node:net";
import { once } from "node:events";
import { watchListeners } from "../../../src/index.ts";
import type { Member, Pair } from "./pair.ts";

const bus = new EventEmitter();
bus.setMaxListeners(100);
watchListeners(bus, "bus");
const cleanups: (() => void)[] = [];

/** Odd members leak; the others must not be blamed. */
function pair(kind: string, resource: string, expected: RegExp, leak: (n: number) => void | Promise<void>): Pair {
  const counted = () => process.getActiveResourcesInfo().filter((name) => name === resource).length;
  return {
    promise: `a leaked ${kind} is its owner's`,
    async bare({ n, pause }) {
      const before = counted() + bus.listenerCount("order");
      if (n % 2 === 1) await leak(n);
      await pause();
      assert.equal(counted() + bus.listenerCount("order") - before, n % 2);
    },
    async kit({ n, pause }) {
      if (n % 2 === 1) await leak(n);
      await pause();
    },
    after() {
      for (const cleanup of cleanups.splice(0)) cleanup();
    },
    rejects: ({ n }: Member) => (n % 2 === 1 ? expected : undefined),
  };
}

export const pairs: readonly Pair[] = [
  pair("timer", "Timeout", /^LeakError.* left something behind:\n {2}interval created at \S*leaks\.ts:\d+:\d+/, () => {
    const timer = setInterval(() => undefined, 1_000_000);
    cleanups.push(() => clearInterval(timer));
  }),
  pair("server", "TCPServerWrap", /TCP server created at \S*leaks\.ts:\d+:\d+/, async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
  }),
  pair("listener", "none", /listener for "order" on bus added at \S*leaks\.ts:\d+:\d+/, () => {
    const listener = () => undefined;
    bus.on("order", listener);
    cleanups.push(() => bus.off("order", listener));
  }),
  {
    promise: "an unhandled rejection is its owner's",
    async bare({ n, pause }) {
      let seen = 0;
      const onRejection = () => (seen += 1);
      process.on("unhandledRejection", onRejection);
      if (n % 2 === 1) void Promise.reject(new Error(`lost ${n}`));
      await pause();
      await pause();
      process.off("unhandledRejection", onRejection);
      assert.equal(seen, n % 2);
    },
    async kit({ n, pause }) {
      if (n % 2 === 1) void Promise.reject(new Error(`lost ${n}`));
      await pause();
    },
    rejects: ({ n }) => (n % 2 === 1 ? new RegExp(`unhandled rejection: Error: lost ${n}\\b`) : undefined),
  },
];
