import { test } from "vitest";
import { shareLimits, sharedLimitsCount } from "../../src/session/shared-limits.ts";
import { VirtualRuntime } from "../support/virtual-runtime.ts";

test("a hundred clients of one server and key share one set of limits, however the URL is written", ({ expect }) => {
  const runtime = new VirtualRuntime();
  const leases = Array.from({ length: 100 }, (_, index) =>
    shareLimits(runtime, index % 2 === 0 ? "http://HOST:80/a/" : "http://host/a", "tml-key"),
  );
  expect(new Set(leases.map(({ limits }) => limits)).size).toBe(1);
  expect(sharedLimitsCount(runtime)).toBe(1);
});

test("another key, or another server, has limits of its own", ({ expect }) => {
  const runtime = new VirtualRuntime();
  const limits = [
    shareLimits(runtime, "http://host/", "tml-a").limits,
    shareLimits(runtime, "http://host/", "tml-b").limits,
    shareLimits(runtime, "http://other/", "tml-a").limits,
  ];
  expect(new Set(limits).size).toBe(3);
});

test("a client that comes while another lives gets that one's limits, though the first has closed", ({ expect }) => {
  const runtime = new VirtualRuntime();
  const first = shareLimits(runtime, "http://host/", "tml-a");
  const second = shareLimits(runtime, "http://host/", "tml-a");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  expect(shareLimits(runtime, "http://host/", "tml-a").limits).toBe(second.limits);
});

test("nothing is remembered when the last client has gone, unless the gate is shut", async ({ expect }) => {
  const runtime = new VirtualRuntime();
  shareLimits(runtime, "http://host/", "tml-a")[Symbol.dispose]();
  expect(sharedLimitsCount(runtime)).toBe(0);

  const throttled = shareLimits(runtime, "http://host/", "tml-a");
  throttled.limits.gate.shutFor(1000);
  throttled[Symbol.dispose]();
  expect(shareLimits(runtime, "http://host/", "tml-a").limits).toBe(throttled.limits);
});
