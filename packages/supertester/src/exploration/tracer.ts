import { createHook, executionAsyncId, type AsyncHook } from "node:async_hooks";
import { currentWorld } from "../world/world.ts";
import { callSite, callSites, stackHere } from "../simulation/call-site.ts";
import type { SimEvent } from "../simulation/event.ts";
import type { Kernel, Observer } from "../simulation/kernel.ts";
import { Lane } from "../simulation/lane.ts";

/** One event of a traced run. */
export interface TraceStep {
  readonly step: number;
  /** Virtual milliseconds. */
  readonly time: number;
  /** The lane: `body`, a task's name, or a server. */
  readonly task: string;
  readonly label: string;
  /** Names the event in explanations: task, label, and which of that label it is. */
  readonly key: string;
  /** Id of the event, as in a plan. */
  readonly id: number;
  /** Where the operation was started: `function file:line:column`. */
  readonly createdAt: string | undefined;
  /** The lines of user code that went on after waiting, in the order in which they did. */
  readonly resumed: readonly string[];
}

/** A place where a task is stuck. */
export interface Waiting {
  readonly task: string;
  readonly at: string;
}

interface Suspension {
  readonly lane: Lane;
  readonly sites: readonly string[];
}

/** Stacks that are looked at; a run that makes more, such as a livelock, is reported without the lines of the rest. */
const maxStacks = 2000;
const stackDepth = 16;

/**
 * Records a run in full: where each event was started, which lines went on, and, for a deadlock, where each task waits.
 * It follows every promise, which makes a run many times slower, so only the final replay of a failure is traced.
 */
export class Tracer implements Observer {
  readonly #names = new Map<number, string>();
  readonly #steps: (TraceStep & { resumed: string[] })[] = [];
  readonly #suspended = new Map<number, Suspension>();
  readonly #hook: AsyncHook;
  /** The run that is traced; others may be under way. */
  #kernel: Kernel | undefined;
  #stacks = 0;

  constructor() {
    this.#hook = createHook({
      // An await, and a `then`, makes a promise that is triggered by another promise; `new Promise` is not.
      init: (id, type, trigger) => {
        if (type === "PROMISE" && trigger !== executionAsyncId()) this.#suspend(id);
      },
      before: (id) => this.#resume(id),
      promiseResolve: (id) => void this.#suspended.delete(id),
    });
  }

  get steps(): readonly TraceStep[] {
    return this.#steps;
  }

  /** The keys of all events by their ids, of those that never ran, too. */
  get names(): ReadonlyMap<number, string> {
    return this.#names;
  }

  /** Where code still waits: the innermost places of each task first. */
  get waiting(): Waiting[] {
    const waits = new Map<string, Waiting>();
    const suspended = [...this.#suspended.values()];
    for (const { lane, sites } of suspended) {
      // The callers of a function that waits wait too; they are part of its line.
      const isCaller = suspended.some((other) => other.lane === lane && other.sites.includes(sites[0] ?? "", 1));
      const at = sites.slice(0, 3).join(", called from ");
      if (!isCaller) waits.set(`${lane.name} ${at}`, { task: lane.name, at });
    }
    return [...waits.values()];
  }

  start(): void {
    this.#hook.enable();
  }

  stop(): void {
    this.#hook.disable();
  }

  created(event: SimEvent): void {
    this.#names.set(event.id, event.key);
    this.#kernel = event.lane.kernel;
    if (this.#stacks++ < maxStacks) event.site = callSite(stackHere(stackDepth));
  }

  started(event: SimEvent, step: number, time: number): void {
    const { lane, label, key, id, site } = event;
    this.#steps.push({ step, time, task: lane.name, label, key, id, createdAt: site, resumed: [] });
  }

  #suspend(id: number): void {
    const lane = currentWorld();
    if (!(lane instanceof Lane) || lane.kernel !== this.#kernel || lane.kernel.ended || this.#stacks++ > maxStacks)
      return;
    const sites = callSites(stackHere(stackDepth));
    if (sites.length > 0) this.#suspended.set(id, { lane, sites });
  }

  #resume(id: number): void {
    const site = this.#suspended.get(id)?.sites[0];
    const resumed = this.#steps.at(-1)?.resumed;
    if (site !== undefined && resumed !== undefined && resumed.at(-1) !== site) resumed.push(site);
  }
}
