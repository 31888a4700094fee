import type { SimEvent } from "./event.ts";
import { SimulationError } from "./failure.ts";
import type { RunSettings } from "./options.ts";

/** Steps that are looked at for the culprit of a livelock. */
const recentSteps = 1000;

/** A cap was reached; the culprit is what ran most often lately. */
export function livelock(
  log: readonly SimEvent[],
  time: number,
  { maxSteps, maxVirtualMs }: RunSettings,
): SimulationError {
  const recent = log.slice(-recentSteps);
  const counts = new Map<string, number>();
  for (const { lane, label } of recent) {
    const name = `${lane.name}: ${label}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const [culprit, times] = [...counts].reduce((most, entry) => (entry[1] > most[1] ? entry : most), ["", 0]);
  const cap = time > maxVirtualMs ? `${maxVirtualMs} ms of virtual time` : `${maxSteps} steps`;
  const message = `livelock: not done after ${cap}; "${culprit}" ran ${times} times in the last ${recent.length} steps`;
  return new SimulationError("livelock", message);
}

/** The body is pending, and nothing can run. */
export function deadlock(log: readonly SimEvent[], time: number): SimulationError {
  const after = `t=${formatMs(time)} after ${log.length} step${log.length === 1 ? "" : "s"}`;
  return new SimulationError(
    "deadlock",
    `deadlock at ${after}: the body is pending, and no timer, I/O or task can run`,
  );
}

/** Nothing could run, and then something moved in real time. */
export function invisibleEscape(): SimulationError {
  const message =
    "escape: the body went on only after real time had passed, so it waits for something outside the simulation " +
    "that Node does not report (WebAssembly.compile, Atomics.waitAsync, a native addon, or an object shared with real-time code)";
  return new SimulationError("escape", message);
}

/** Work was left when the body ended. */
export function leak(events: readonly SimEvent[], tasks: readonly string[]): SimulationError {
  const lines = events.map(({ key, site }) => (site === undefined ? key : `${key}  ${site}`));
  lines.push(...tasks.map((name) => `task "${name}" has not finished`));
  const list = lines.map((line) => `  ${line}`).join("\n");
  return new SimulationError("leak", `leak: the body ended and left work behind (leaks: "ignore" allows it)\n${list}`);
}

/** Milliseconds with at most three decimals and no trailing zeros: `12.5ms`. */
export function formatMs(ms: number): string {
  return `${Number(ms.toFixed(3))}ms`;
}
