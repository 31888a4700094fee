import { real } from "./real.ts";
import { patch } from "./patch.ts";
import { currentWorld } from "./world.ts";

/** `Date`: a captured `Date` class keeps working through its patched `now`; a captured `Date.now` function stays real. */
export function patchDate(): void {
  const RealDate = real.Date;
  patch(RealDate, "now", (original) => () => currentWorld()?.clock?.now() ?? original.call(RealDate));

  function VirtualDate(this: unknown, ...args: unknown[]): Date | string {
    const now = currentWorld()?.clock?.now();
    if (new.target === undefined) return now === undefined ? RealDate() : new RealDate(now).toString();
    return Reflect.construct(RealDate, now === undefined || args.length > 0 ? args : [now], new.target) as Date;
  }
  for (const key of Reflect.ownKeys(RealDate)) {
    const descriptor = Object.getOwnPropertyDescriptor(RealDate, key);
    if (descriptor !== undefined) Object.defineProperty(VirtualDate, key, descriptor);
  }
  // One prototype for both, so that `instanceof` holds for dates made before and after the patch.
  Object.defineProperty(RealDate.prototype, "constructor", { configurable: true, writable: true, value: VirtualDate });
  Object.defineProperty(globalThis, "Date", { configurable: true, writable: true, value: VirtualDate });
}

/** `performance.now`, `performance.timeOrigin`, `process.hrtime` and `process.uptime`. */
export function patchMonotonicClocks(): void {
  const elapsed = () => currentWorld()?.clock?.elapsed();
  const prototype = Object.getPrototypeOf(performance) as typeof performance;
  patch(
    prototype,
    "now",
    (original) =>
      function now(this: typeof performance) {
        return elapsed() ?? original.call(this);
      },
  );
  const origin = Object.getOwnPropertyDescriptor(prototype, "timeOrigin");
  Object.defineProperty(prototype, "timeOrigin", {
    configurable: true,
    enumerable: true,
    get(this: typeof performance): number {
      const clock = currentWorld()?.clock;
      return clock === undefined ? Number(origin?.get?.call(this)) : clock.now() - clock.elapsed();
    },
  });
  patch(process, "uptime", (original) => () => {
    const ms = elapsed();
    return ms === undefined ? original.call(process) : ms / 1000;
  });
  patch(process, "hrtime", (original) => {
    const shim = (since?: [number, number]): [number, number] => {
      const ms = elapsed();
      if (ms === undefined) return original.call(process, since);
      const nanoseconds = Math.round(ms * 1e6) - (since === undefined ? 0 : since[0] * 1e9 + since[1]);
      const seconds = Math.floor(nanoseconds / 1e9);
      return [seconds, nanoseconds - seconds * 1e9];
    };
    return Object.assign(shim, {
      bigint: () => {
        const ms = elapsed();
        return ms === undefined ? original.bigint() : BigInt(Math.round(ms * 1e6));
      },
    });
  });
}
