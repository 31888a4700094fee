import { explore } from "supertester";
import type { SimBody } from "supertester";
import type { TestContext } from "vitest";

/**
 * Explores `body` and fails with the smallest schedule that breaks it. `npm test` runs `runs` schedules;
 * `npm run explore` as many as its time allows, from its seed, and prints how far it got.
 */
export async function holdsUnderEverySchedule({ expect }: TestContext, runs: number, body: SimBody): Promise<void> {
  const report = await explore(body, { runs });
  expect(report.runs).toBeGreaterThan(0);
  if (process.env["SUPERTESTER_MS"] === undefined) return;
  console.log(`${report.runs} schedules, ${report.distinct} distinct, ${report.coverage}, no failure`);
}
