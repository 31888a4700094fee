import { test } from "../../../src/vitest/explore-test.ts";
import { racyPrograms } from "../racy-programs.ts";

test.explore("a racy program", { leaks: "ignore" }, racyPrograms[0]!.body);

test.explore("a correct program", async (sim) => {
  await Promise.all([sim.io("one"), sim.io("two")]);
});
