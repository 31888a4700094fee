import type { Latency, SimBody } from "supertester";
import { real } from "../../packages/supertester/src/world/real.ts";
import { SeededRandom } from "../../packages/supertester/src/world/seeded-random.ts";
import type { VirtualTimer } from "../../packages/supertester/src/world/virtual-timer.ts";
import { runOutside, type Surroundings } from "./uncontrolled.ts";

/** How the outside world behaves while a program is run again and again. */
export interface Weather {
  /** Real time runs this much faster than the program thinks, timers included. */
  readonly speed: number;
  /** Picks a latency from what the program allows. `random` is in [0, 1). */
  readonly latency: (allowed: Latency, random: number) => number;
}

/** Like a server or a fake on the same machine: as fast as can be, give or take 3 ms. */
export const local: Weather = {
  speed: 5,
  latency: ([min, max], random) => Math.min(max, min + 3 * random),
};

/** All that the program allows is equally likely: more jitter than any test environment has. */
export const stormy: Weather = { speed: 20, latency: ([min, max], random) => min + (max - min) * random };

/** Real milliseconds after which a program that has not ended counts as stuck. */
const stuckMs = 500;

/** Reruns a program in real time until it fails. Returns how many runs that took; undefined when the time was up before. */
export async function plainReruns(
  body: SimBody,
  { seed, timeMs, weather }: { readonly seed: number; readonly timeMs: number; readonly weather: Weather },
): Promise<number | undefined> {
  const random = new SeededRandom(seed);
  const end = real.performanceNow() + timeMs;
  for (let runs = 1; real.performanceNow() < end; runs++) {
    const { ended } = runOutside(body, (fail) => realTime(weather, random, fail));
    const stuck = Promise.withResolvers<never>();
    const watchdog = real.setTimeout(() => stuck.reject(new Error("deadlock")), stuckMs);
    try {
      await Promise.race([ended, stuck.promise]);
    } catch {
      return runs;
    } finally {
      real.clearTimeout(watchdog);
    }
  }
  return undefined;
}

function realTime({ speed, latency }: Weather, random: SeededRandom, fail: (error: unknown) => void): Surroundings {
  const start = real.performanceNow();
  const handles = new Map<VirtualTimer, ReturnType<typeof setTimeout>>();
  const elapsed = () => (real.performanceNow() - start) * speed;
  const clock = {
    get time() {
      return elapsed();
    },
    now: () => 946_684_800_000 + elapsed(),
    elapsed,
    arm(timer: VirtualTimer) {
      const fire = () => {
        handles.delete(timer);
        try {
          timer.fire();
        } catch (error) {
          fail(error);
        }
      };
      handles.set(timer, real.setTimeout(fire, timer.delay / speed));
    },
    disarm(timer: VirtualTimer) {
      real.clearTimeout(handles.get(timer));
      handles.delete(timer);
    },
  };
  return {
    clock,
    after: (_, allowed) =>
      new Promise((resolve) => {
        real.setTimeout(resolve, latency(allowed, random.random()) / speed);
      }),
  };
}
