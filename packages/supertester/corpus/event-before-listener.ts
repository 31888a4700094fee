import { EventEmitter, once } from "node:events";
import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Emits `ready` when it has started. */
function startWorker(sim: Sim): EventEmitter {
  const worker = new EventEmitter();
  void sim.io("start up", undefined, { latency: [20, 200] }).then(() => worker.emit("ready"));
  return worker;
}

type Launch = (sim: Sim) => Promise<void>;

const listenLate: Launch = async (sim) => {
  const worker = startWorker(sim);
  await sim.io("read configuration");
  await once(worker, "ready");
};

const listenFirst: Launch = async (sim) => {
  const worker = startWorker(sim);
  const ready = once(worker, "ready");
  await sim.io("read configuration");
  await ready;
};

const program =
  (launch: Launch): SimBody =>
  (sim) =>
    launch(sim);

export const eventBeforeListener: Bug = {
  name: "event-before-listener",
  pattern: "an event that is emitted once is waited for after something else has been awaited",
  kind: "deadlock",
  buggy: program(listenLate),
  fixed: program(listenFirst),
};
