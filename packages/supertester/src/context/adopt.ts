import { AsyncLocalStorage } from "node:async_hooks";
import { processSingleton } from "./process-singleton.ts";
import { activeContext, liveContext, runInContext } from "./scope-context.ts";

/** The environment variable through which child processes and worker threads learn whose they are. */
export const testIdVariable = "SUPERTESTER_TEST_ID";

/** Ids of tests that run in another process or thread, while this one works for them. */
const remote = processSingleton("remote-test", () => new AsyncLocalStorage<string | undefined>());

/**
 * The id of the test that owns the running code: a short token to put in a message, a header or a job. Also answers in a
 * worker thread or child process that a test started (it came with the environment) and inside `adopt`. `undefined` when
 * no test owns the code.
 */
export function currentTestId(): string | undefined {
  return activeContext()?.key ?? remote.getStore() ?? process.env[testIdVariable];
}

/**
 * Runs `body` as part of the test whose `currentTestId()` travelled here in a message, a header or a job. In the test's own
 * process that restores the whole scope; in another process or thread it restores the id, which `currentTestId()` and
 * outgoing HTTP requests then carry on. An id that nobody knows, and `undefined`, mean: as part of no test.
 */
export function adopt<T>(testId: string | undefined, body: () => T): T {
  const context = testId === undefined ? undefined : liveContext(testId);
  return remote.run(context === undefined ? testId : undefined, () => runInContext(context, body));
}
