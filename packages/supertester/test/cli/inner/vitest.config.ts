import { defineConfig } from "vitest/config";

/** For the test files here, some of which fail on purpose; supertester.test.ts runs them. */
export default defineConfig({ test: { root: import.meta.dirname, include: ["*.inner.ts"] } });
