import { channel } from "node:diagnostics_channel";
import { pino } from "pino";
import { test } from "vitest";
import { isolate, isolateLogger, SharedTable, unattributed } from "../../src/index.ts";

const orders = channel("cross-talk:orders");
const written: string[] = [];
const logger = pino({ base: null, timestamp: false }, { write: (line: string) => void written.push(line) });
isolateLogger(logger);
const table = new SharedTable<number, number>("cross-talk");

test("500 concurrent tests of 20 events each share a logger, a channel, the environment and a table: no cross-talk", async ({
  expect,
}) => {
  const steps = Array.from({ length: 20 }, (_, step) => step);
  const seen = await Promise.all(
    Array.from({ length: 500 }, (_, n) =>
      isolate({ id: `test ${n}`, channels: ["cross-talk:orders"] }, async (scope) => {
        for (const step of steps) {
          orders.publish({ n, step });
          logger.info({ n, step });
          process.env["CROSS_TALK"] = `${n}:${step}`;
          table.set(step, n);
          await new Promise((resolve) => void setImmediate(resolve));
          if (process.env["CROSS_TALK"] !== `${n}:${step}`) throw new Error(`environment of another test in ${n}`);
        }
        const events = await scope.events.exactly(20);
        const lines = await scope.logs.exactly(20);
        return [
          events.map(({ message }) => message),
          lines.map(({ fields }) => fields),
          [...table].map(([step, owner]) => ({ n: owner, step })),
        ];
      }),
    ),
  );
  expect(seen).toEqual(seen.map((_, n) => Array.from({ length: 3 }, () => steps.map((step) => ({ n, step })))));
  expect(written).toEqual([]);
  expect(table.size).toBe(0);
  expect(unattributed().filter(({ name }) => name === "cross-talk:orders")).toEqual([]);
});
