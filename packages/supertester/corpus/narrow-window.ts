import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

const segments = 20;

/** Rewrites a log into a new file. Only while the files change places can a reader be in trouble. */
type Swap = (sim: Sim, files: Map<string, string>) => Promise<void>;

const unlinkThenRename: Swap = async (sim, files) => {
  await sim.io("unlink", () => void files.delete("log"));
  await sim.io("rename", () => void files.set("log", "compacted"));
};

const renameOver: Swap = async (sim, files) => {
  await sim.io("rename", () => void files.set("log", "compacted"));
};

const program =
  (swap: Swap): SimBody =>
  async (sim) => {
    const files = new Map([["log", "original"]]);
    const compact = async () => {
      for (let segment = 0; segment < segments; segment++) await sim.io("copy");
      await swap(sim, files);
    };
    const read = async () => {
      await sim.io("authorise");
      await sim.io("look up");
      const log = await sim.io("open", () => files.get("log"));
      if (log === undefined) throw new Error("ENOENT: there is no log");
    };
    await Promise.all([sim.spawn("compact", compact), sim.spawn("read", read)]);
  };

export const narrowWindow: Bug = {
  name: "narrow-window",
  pattern: `a file is missing for one step out of ${segments + 2}`,
  kind: "assertion",
  buggy: program(unlinkThenRename),
  fixed: program(renameOver),
};
