import { defineConfig } from "tsdown";
import type { UserConfig } from "tsdown";

/** What each package ships: one file per subpath of its exports map, and per thread it starts. */
const entries = {
  protocol: { index: "src/index.ts" },
  tinkex: { index: "src/index.ts" },
  local: { index: "src/index.ts", "engine-thread": "src/engine/engine-thread.ts" },
  supertester: {
    index: "src/index.ts",
    vitest: "src/vitest/index.ts",
    "node-test": "src/node-test/index.ts",
    "cli/main": "src/cli/main.ts",
  },
} as const;

const shared: UserConfig = {
  format: "esm",
  platform: "node",
  target: "node22.15",
  dts: true,
  sourcemap: true,
  fixedExtension: false,
  // The root tsconfig covers tests too, and a mistake in one package's tests should not fail another's build.
  tsconfig: "../../tsconfig.src.json",
  publint: { strict: true },
  attw: { profile: "esm-only", level: "error" },
};

export default defineConfig(
  Object.entries(entries).map(([name, entry]) => ({ ...shared, name, cwd: `packages/${name}`, entry })),
);
