import { defineConfig } from "vitest/config";

const conditions = ["@tinkex/source"];

/** The inner runs that the tests of `supertester/vitest` look at from outside. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["*.inner.ts"],
    setupFiles: ["./setup.ts"],
    sequence: { concurrent: true, shuffle: true },
    maxConcurrency: 50,
  },
});
