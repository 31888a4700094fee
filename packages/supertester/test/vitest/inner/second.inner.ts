import { currentScope } from "supertester";
import { test } from "vitest";

test("a second file in the same worker is isolated too", async ({ expect }) => {
  console.log("here");
  await currentScope().logs.matching("here").exactly(1);
  expect(currentScope().id).toBe("second.inner.ts > a second file in the same worker is isolated too");
});
