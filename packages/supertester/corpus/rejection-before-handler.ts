import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

type Report = (sim: Sim) => Promise<string>;

async function loadPrices(sim: Sim): Promise<string> {
  return sim.io("prices", () => Promise.reject(new Error("503")), { latency: [20, 200] });
}

const oneByOne: Report = async (sim) => {
  const prices = loadPrices(sim);
  await sim.io("template");
  return prices.catch(() => "no prices today");
};

const together: Report = async (sim) => {
  const [prices] = await Promise.all([loadPrices(sim).catch(() => "no prices today"), sim.io("template")]);
  return prices;
};

const program =
  (report: Report): SimBody =>
  async (sim) => {
    await report(sim);
  };

export const rejectionBeforeHandler: Bug = {
  name: "rejection-before-handler",
  pattern: "work is started, something else is awaited first, and the work fails before anybody listens",
  kind: "unhandledRejection",
  buggy: program(oneByOne),
  fixed: program(together),
};
