// `npm run explore -- [--ms N] [--seed S]`: a long exploration of every SDK invariant, N milliseconds each.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { ms: { type: "string", default: "60000" }, seed: { type: "string", default: String(Date.now()) } },
});
const ms = Number(values.ms);
if (!Number.isFinite(ms) || ms <= 0) {
  console.error(`--ms must be a positive number of milliseconds, not ${JSON.stringify(values.ms)}`);
  process.exit(1);
}

console.log(`Exploring for ${ms} ms each, seed ${values.seed}`);
const { status } = spawnSync(
  "vitest",
  ["run", "--project", "tinkex", "packages/tinkex/test/exploration", "--reporter", "verbose"],
  {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      SUPERTESTER_MS: String(ms),
      SUPERTESTER_SEED: values.seed,
      // Explorations of one file share a thread, so that each takes longer than its own time.
      TEST_TIMEOUT_SCALE: String(1 + ms / 1000),
    },
  },
);
process.exit(status ?? 1);
