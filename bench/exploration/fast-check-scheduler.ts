import { asyncProperty, check, scheduler as schedulers, type Scheduler } from "fast-check";
import type { SimBody } from "supertester";
import type { VirtualTimer } from "../../packages/supertester/src/world/virtual-timer.ts";
import { runOutside, type Surroundings } from "./uncontrolled.ts";

/** Events after which a run is given up: an interval never ends by itself. */
const maxEvents = 400;

/**
 * Searches with fast-check's scheduler, to which every wait on the outside has been routed: I/O, timers, requests. It
 * has no notion of time, so a timer is one more task. Returns the runs until the first failure; undefined for none.
 */
export async function fastCheckRuns(body: SimBody, seed: number, maxRuns: number): Promise<number | undefined> {
  const property = asyncProperty(schedulers(), async (scheduler) => {
    const { ended, isOver } = runOutside(body, (fail) => scheduled(scheduler, fail));
    ended.catch(() => {});
    for (let events = 0; events < maxEvents && !isOver(); events++) {
      if (scheduler.count() === 0) {
        // What the last event set off may need some turns of its own, and unhandled rejections are reported after one.
        for (let turn = 0; turn < 3 && scheduler.count() === 0; turn++) await new Promise((next) => setImmediate(next));
        if (scheduler.count() === 0 && !isOver()) throw new Error("deadlock");
      }
      if (!isOver() && scheduler.count() > 0) await scheduler.waitNext(1);
    }
    if (isOver()) await ended;
  });
  const { failed, numRuns } = await check(property, { seed, numRuns: maxRuns, endOnFailure: true });
  return failed ? numRuns : undefined;
}

function scheduled(scheduler: Scheduler, fail: (error: unknown) => void): Surroundings {
  const armed = new Map<VirtualTimer, symbol>();
  let time = 0;
  const clock = {
    get time() {
      return time;
    },
    now: () => 946_684_800_000 + time,
    elapsed: () => time,
    arm(timer: VirtualTimer) {
      const arming = Symbol("arming");
      armed.set(timer, arming);
      void scheduler.schedule(Promise.resolve(), `timer ${timer.delay}`).then(() => {
        if (armed.get(timer) !== arming) return;
        armed.delete(timer);
        time += timer.delay;
        try {
          timer.fire();
        } catch (error) {
          fail(error);
        }
      });
    },
    disarm(timer: VirtualTimer) {
      armed.delete(timer);
    },
  };
  return { clock, after: (label) => scheduler.schedule(Promise.resolve(), label) };
}
