import { IsolationError } from "./errors.ts";

/** This package's version; a test keeps it equal to package.json's. */
export const version = "0.1.0";

interface Copy {
  readonly version: string;
  readonly url: string;
}

let checked = false;

/**
 * One value per process under `name`, however many copies of this package are loaded: vitest evaluates modules once per
 * test file, and an application may install two versions. Everything that patches a global or holds an
 * `AsyncLocalStorage` lives behind this, because two of either would route to different scopes.
 *
 * @throws IsolationError `two-copies` when another version got there first: the value it made has another shape.
 */
export function processSingleton<T>(name: string, create: () => T): T {
  const holder = globalThis as { [key: symbol]: unknown };
  if (!checked) {
    const first = (holder[Symbol.for("supertester.copy")] ??= { version, url: import.meta.url } satisfies Copy) as Copy;
    if (first.version !== version) {
      throw new IsolationError(
        "two-copies",
        `two copies of supertester are loaded: ${first.version} from ${first.url}, and ${version} from ${import.meta.url}. ` +
          "They would each patch the globals and route to their own scopes. Install one version (`npm ls supertester` shows who asks for which).",
      );
    }
    checked = true;
  }
  const key = Symbol.for(`supertester.${name}`);
  return (holder[key] ??= create()) as T;
}
