import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Does a piece of work that gives its permit back at the end, or after 50 ms if that comes first. */
type Work = (sim: Sim, release: () => void) => Promise<void>;

const atBothEnds: Work = async (sim, release) => {
  const limit = setTimeout(release, 50);
  await sim.io("work");
  clearTimeout(limit);
  release();
};

const once: Work = async (sim, release) => {
  let isHeld = true;
  const giveBack = () => {
    if (isHeld) release();
    isHeld = false;
  };
  const limit = setTimeout(giveBack, 50);
  await sim.io("work");
  clearTimeout(limit);
  giveBack();
};

const program =
  (work: Work): SimBody =>
  async (sim) => {
    let free = 1;
    sim.always("there is one permit", () => free <= 1);
    const worker = async () => {
      if (free === 0) return;
      free--;
      await work(sim, () => free++);
    };
    await Promise.all([sim.spawn("A", worker), sim.spawn("B", worker)]);
  };

export const doubleRelease: Bug = {
  name: "double-release",
  pattern: "a permit is given back by the time limit and again when the work is done",
  kind: "invariant",
  buggy: program(atBothEnds),
  fixed: program(once),
};
