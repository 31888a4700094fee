import * as fc from "fast-check";
import { test } from "vitest";
import { naturalOrder } from "../../src/simulation/chooser.ts";
import { SimEvent } from "../../src/simulation/event.ts";
import { Kernel } from "../../src/simulation/kernel.ts";
import { runSettings } from "../../src/simulation/options.ts";
import { PendingEvents } from "../../src/simulation/pending-events.ts";

const { main: lane } = new Kernel(runSettings({}), naturalOrder);

/** Adds an event with these times and priority, or removes one of those that are there. */
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ earliest: fc.nat(50), length: fc.nat(200), priority: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
);

test("agrees with a plain sorted list, through any additions and removals", ({ expect }) => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 400, size: "max" }), (operations) => {
      const pending = new PendingEvents();
      const plain: SimEvent[] = [];
      for (const [order, step] of operations.entries()) {
        if ("remove" in step) {
          const [event] = plain.splice(plain.length === 0 ? 0 : step.remove % plain.length, 1);
          if (event !== undefined) expect(pending.remove(event)).toBe(true);
          if (event !== undefined) expect(pending.remove(event)).toBe(false);
        } else {
          const { earliest, length, priority } = step;
          const fields = { kind: "io", lane, label: "event", earliest, latest: earliest + length, order } as const;
          const event = new SimEvent({ ...fields, chain: { priority, pending: 1 }, action: () => {} });
          pending.add(event);
          plain.push(event);
        }
      }
      plain.sort((a, b) => a.earliest - b.earliest || a.order - b.order);
      const horizon = Math.min(...plain.map(({ latest }) => latest));
      const enabled = plain.filter(({ earliest }) => earliest <= horizon);
      pending.refresh();
      expect([...pending]).toEqual(plain);
      expect(pending.isEmpty).toBe(plain.length === 0);
      expect(pending.size).toBe(enabled.length);
      if (enabled.length === 0) return;
      expect(pending.horizon).toBe(horizon);
      expect(enabled.map((_, rank) => pending.at(rank))).toEqual(enabled);
      const best = Math.max(...enabled.map(({ chain }) => chain.priority));
      expect(pending.highest()).toBe(enabled.find(({ chain }) => chain.priority === best));
      pending.setPriority(pending.highest(), -1);
      const rest = Math.max(...enabled.map(({ chain }) => chain.priority));
      expect(pending.highest().chain.priority).toBe(rest);
    }),
    { numRuns: 60 },
  );
});
