import { test } from "vitest";
import { leaseExpiry } from "../../../corpus/lease-expiry.ts";
import { orderingOfFive } from "../../../corpus/ordering-of-five.ts";
import { explore } from "../../../src/index.ts";

test.concurrent("a state machine", async ({ expect }) => {
  expect(await explore(orderingOfFive.buggy, { name: "a state machine" })).toBeDefined();
});

test.concurrent("a lease", async ({ expect }) => {
  expect(await explore(leaseExpiry.fixed, { name: "a lease" })).toBeDefined();
});
