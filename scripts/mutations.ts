// `npm run mutations`: puts each known bug back, one at a time, and expects the tests that guard against it to fail.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mutations } from "../packages/tinkex/test/mutations.ts";
import type { Mutation } from "../packages/tinkex/test/mutations.ts";

const workers = 2;
/** Some of the bugs spin so tightly that not even the runner's own timeout gets a turn. Hanging is failing too. */
const hangsAfterMs = 20_000;

/** Whether the tests fail with the mutation in place. */
async function isCaught({ file, find, replace, caughtBy }: Mutation): Promise<boolean> {
  const path = join(import.meta.dirname, "../packages/tinkex/src", file);
  if (readFileSync(path, "utf8").split(find).length !== 2) {
    throw new Error(`${file} does not hold this text exactly once, so the mutation says nothing: ${find}`);
  }
  const child = spawn(
    "vitest",
    ["run", "--project", "tinkex", `packages/tinkex/test/${caughtBy}`, "--bail", "1", "--fsModuleCache=false"],
    {
      env: { ...process.env, TINKEX_MUTATION: JSON.stringify({ path, find, replace }), TEST_TIMEOUT_SCALE: "0.1" },
      stdio: "ignore",
      detached: true,
    },
  );
  const { pid } = child;
  // The whole group: the runner's worker processes would otherwise go on spinning.
  const hangs = setTimeout(() => pid !== undefined && process.kill(-pid, "SIGKILL"), hangsAfterMs);
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  clearTimeout(hangs);
  return code !== 0;
}

const queue = mutations.values();
const missed: Mutation[] = [];

async function work(): Promise<void> {
  for (const mutation of queue) {
    const caught = await isCaught(mutation);
    if (!caught) missed.push(mutation);
    console.log(`${caught ? "caught" : "MISSED"} ${mutation.bug}`);
  }
}

await Promise.all(Array.from({ length: workers }, work));
console.log(`${mutations.length - missed.length} passed, ${missed.length} failed`);
if (missed.length > 0) process.exit(1);
