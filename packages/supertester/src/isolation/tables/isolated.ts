import { activeContext, requireContext } from "../../context/scope-context.ts";
import { captureSite } from "../../leaks/creation-site.ts";
import { defaultStageLimitMs, deferEntry } from "../../lifecycle/teardown.ts";
import { replaceView, viewOf } from "./isolated-map.ts";

/** A module-level singleton of which every test has its own. */
export interface Isolated<T> {
  /** The running test's instance, made at first use; outside tests the process-wide one. */
  readonly current: T;
  /**
   * Puts `value` in the place of the running test's instance, for this test only. What it replaces is not ended.
   *
   * @throws IsolationError `outside-test`, `after-end`.
   */
  inject(value: T): void;
}

/** Options of `isolated`. */
export interface IsolatedOptions<T> {
  /** Ends a test's own instance when the test ends. Injected values belong to whoever made them. */
  readonly dispose?: (value: T) => unknown;
}

/**
 * A holder for a module's singleton: `const cache = isolated(() => new Cache())`, then `cache.current` wherever it is used.
 * Injection through it is safe beside other tests, because it replaces nothing that they can see.
 */
export function isolated<T>(create: () => T, { dispose }: IsolatedOptions<T> = {}): Isolated<T> {
  let shared: { readonly value: T } | undefined;
  const site = captureSite();
  const holder: Isolated<T> = {
    get current() {
      const context = activeContext();
      if (context === undefined) return (shared ??= { value: create() }).value;
      return viewOf(context, holder, () => {
        const value = create();
        if (dispose !== undefined) {
          const stages = [{ name: "dispose", run: () => dispose(value) }];
          deferEntry(context, { name: "isolated singleton", site, stages, limitMs: defaultStageLimitMs });
        }
        return { value };
      }).value;
    },
    inject(value) {
      replaceView(requireContext("inject"), holder, { value });
    },
  };
  return holder;
}
