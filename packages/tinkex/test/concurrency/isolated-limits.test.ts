import { test } from "vitest";
import { systemRuntime } from "../../src/runtime.ts";
import { shareLimits, sharedLimitsCount } from "../../src/session/shared-limits.ts";

// Real clients of one key meet on the real runtime. These two tests run at the same time, and each believes to be alone.
for (const name of ["one test", "another test beside it"]) {
  test(`${name} has the process-wide limits to itself`, async ({ expect }) => {
    const lease = shareLimits(systemRuntime, "http://server.test/", "tml-key");
    lease.limits.gate.shutFor(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sharedLimitsCount(systemRuntime)).toBe(1);
    lease[Symbol.dispose]();
  });

  test(`${name} sees no gate that another has shut`, async ({ expect }) => {
    await new Promise((resolve) => setImmediate(resolve));
    using lease = shareLimits(systemRuntime, "http://server.test/", "tml-key");
    expect(lease.limits.gate.remainingMs).toBe(0);
  });
}
