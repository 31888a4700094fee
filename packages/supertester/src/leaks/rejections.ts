import { processSingleton } from "../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../context/scope-context.ts";
import { recordUnattributed } from "../context/unattributed.ts";

const rejections: Facet<unknown[]> = { name: "rejections", create: () => [] };

/** Reasons of the promises that `context`'s code rejected and nobody handled. */
export function rejectionsOf(context: ScopeContext): unknown[] {
  return context.get(rejections);
}

/**
 * Attributes unhandled rejections: Node runs the handler in the context of the code that rejected. Adds nothing where no
 * other handler exists and no test owns the rejection, because a handler of ours would keep the process from crashing.
 */
export function installRejections(): void {
  processSingleton("rejections", () => {
    const onRejection = (reason: unknown) => {
      const context = activeContext();
      if (context !== undefined && context.phase !== "ended") {
        rejectionsOf(context).push(reason);
        return;
      }
      if (context !== undefined) recordUnattributed("rejection", "unhandledRejection", reason);
      // Ours is the only handler: behave as if there were none.
      if (process.listenerCount("unhandledRejection") === 1) throw reason;
    };
    return process.on("unhandledRejection", onRejection);
  });
}
