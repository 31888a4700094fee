import { syncBuiltinESMExports } from "node:module";
import { processSingleton } from "../context/process-singleton.ts";
import { patchCallbacks } from "./callback-shims.ts";
import { patchDate, patchMonotonicClocks } from "./date-shims.ts";
import { patchEntropy } from "./entropy-shims.ts";
import { patchFetch } from "./fetch-shim.ts";
import { patchGatedCalls } from "./gate-shims.ts";
import { patchNet } from "./net-shims.ts";
import { patchTimers } from "./timer-shims.ts";

/**
 * Patches the globals of this process, once and for good. Outside a world every shim calls the original, so this is safe
 * beside tests in real time. Call it before application modules are loaded (a setup file, or `--import`): a reference
 * such as `const now = Date.now` that was taken earlier stays real.
 */
export function installWorldShims(): void {
  processSingleton("world-shims", () => {
    patchTimers();
    patchDate();
    patchMonotonicClocks();
    patchEntropy();
    patchFetch();
    patchCallbacks();
    patchNet();
    patchGatedCalls();
    // Named imports of built-in modules are copies; this refreshes them.
    syncBuiltinESMExports();
    return true;
  });
}
