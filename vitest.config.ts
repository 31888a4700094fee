import { join } from "node:path";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vitest/config";

const conditions = ["@tinkex/source"];

/** Puts one known bug back into a source file, for `npm run mutations`. */
function mutationPlugin(): Plugin[] {
  const json = process.env["TINKEX_MUTATION"];
  if (json === undefined) return [];
  const { path, find, replace } = JSON.parse(json) as Record<"path" | "find" | "replace", string>;
  return [
    {
      name: "mutation",
      enforce: "pre",
      transform: (code, id) => (id.split("?", 1)[0] === path ? code.replace(find, () => replace) : undefined),
    },
  ];
}

/** Every test of the repository runs concurrently and in random order; isolation is what makes that safe. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    sequence: { concurrent: true, shuffle: true },
    // Read by native code, which sees the process's environment and not a test's own.
    env: { ORT_DISABLE_TELEMETRY: "1" },
    testTimeout: 30_000 * Number(process.env["TEST_TIMEOUT_SCALE"] ?? 1),
    projects: ["packages/protocol", "packages/tinkex", "packages/local", "packages/supertester", "examples"].map(
      (root) => ({
        extends: true as const,
        plugins: mutationPlugin(),
        test: {
          name: root.replace("packages/", ""),
          root,
          include: ["test/**/*.test.ts"],
          // The kit's own tests choose what they run under; everything else is isolated by it.
          setupFiles: root.endsWith("supertester") ? [] : [join(import.meta.dirname, "vitest.setup.ts")],
        },
      }),
    ),
  },
});
