import { defineConfig } from "vitest/config";

/** The same test in every pool of vitest; determinism.test.ts and scripts/determinism.ts run it. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    projects: (["forks", "threads", "vmForks", "vmThreads"] as const).map((pool) => ({
      test: { name: pool, root: import.meta.dirname, pool, include: ["*.inner.ts"] },
    })),
  },
});
