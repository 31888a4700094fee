import { relative } from "node:path";
import { test as run, type TestContext, type TestOptions } from "node:test";
import { install, isolate, type IsolateOptions } from "../isolation/isolate.ts";
import type { Scope } from "../isolation/scope.ts";

export { currentScope } from "../isolation/scope.ts";

/** The body of a test: `node:test`'s context, and the test's scope. Callback style is not supported; return a promise. */
export type ScopedTestBody = (t: TestContext, scope: Scope) => unknown;

/** `node:test`'s options, and those of the isolation. */
export type ScopedTestOptions = TestOptions & {
  readonly isolation?: Omit<IsolateOptions, "id">;
};

/** `test` as in `node:test`, each in a scope of its own. Subtests (`t.test`) and `t.after` belong to the scope they are in. */
export interface ScopedTest {
  (name: string, body?: ScopedTestBody): void;
  (name: string, options: ScopedTestOptions, body?: ScopedTestBody): void;
  readonly skip: ScopedTest;
  readonly todo: ScopedTest;
  readonly only: ScopedTest;
}

type Mode = "skip" | "todo" | "only";

function inScope(isolation: IsolateOptions, body: ScopedTestBody): (t: TestContext) => Promise<void> {
  // One parameter, because `node:test` takes a second one for a callback.
  return async (t) => {
    const file = t.filePath === undefined ? "" : `${relative(process.cwd(), t.filePath)} > `;
    let own: Scope | undefined;
    try {
      await isolate({ ...isolation, id: `${file}${t.fullName}` }, async (scope) => {
        own = scope;
        await body(t, scope);
      });
    } catch (error) {
      const log = String(own?.logs ?? "");
      // A line each: the reporters escape line breaks.
      if (log !== "") for (const line of [`log of "${t.name}":`, ...log.split("\n")]) t.diagnostic(line);
      throw error;
    }
  };
}

function scoped(mode?: Mode): ScopedTest {
  const call = (name: string, first?: ScopedTestOptions | ScopedTestBody, second?: ScopedTestBody): void => {
    const { isolation = {}, ...options }: ScopedTestOptions = typeof first === "function" ? {} : (first ?? {});
    const body = typeof first === "function" ? first : second;
    const register = mode === undefined ? run : run[mode];
    void register(name, options, body === undefined ? undefined : inScope(isolation, body));
  };
  return call as ScopedTest;
}

install();

/** `test` of `node:test`, isolated. */
export const test: ScopedTest = Object.assign(scoped(), {
  skip: scoped("skip"),
  todo: scoped("todo"),
  only: scoped("only"),
});
export { test as it };
