import { defineConfig } from "vitest/config";
import type { TestCase } from "vitest/node";

/** Prints what `test.explore` attached to each test. */
const metaReporter = {
  onTestCaseResult(test: TestCase): void {
    const { exploration } = test.meta() as { exploration?: { outcome: string; kind?: string } };
    if (exploration !== undefined)
      console.log(`attached to "${test.name}": ${exploration.outcome} ${exploration.kind ?? ""}`);
  },
};

/** For the test files here, which fail on purpose and are run by explore-test.test.ts. */
export default defineConfig({
  test: { root: import.meta.dirname, include: ["*.inner.ts"], reporters: ["default", metaReporter] },
});
