import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

interface Source {
  readonly load: () => Promise<number>;
  readonly persist: (value: number) => Promise<void>;
}
type Cached = () => Promise<number>;

/** The load in flight is forgotten before its value is in place, so requests in between load again. */
function forgetEarly({ load, persist }: Source): Cached {
  let value: number | undefined;
  let loading: Promise<number> | undefined;
  return async () => {
    if (value !== undefined) return value;
    loading ??= load().finally(() => {
      loading = undefined;
    });
    const loaded = await loading;
    await persist(loaded);
    value = loaded;
    return loaded;
  };
}

function forgetOnceStored({ load, persist }: Source): Cached {
  let value: number | undefined;
  let loading: Promise<number> | undefined;
  const refresh = async () => {
    value = await load();
    await persist(value);
    return value;
  };
  return async () => {
    if (loading === undefined && value !== undefined) return value;
    loading ??= refresh().finally(() => {
      loading = undefined;
    });
    return loading;
  };
}

const program =
  (cache: (source: Source) => Cached): SimBody =>
  async (sim: Sim) => {
    let loads = 0;
    const cached = cache({
      load: () => sim.io("load", () => ++loads),
      persist: () => sim.io("persist"),
    });
    const clients = ["A", "B", "C"].map(async (name, index) => {
      await sim.sleep(30 * index);
      await sim.spawn(name, cached);
    });
    await Promise.all(clients);
    if (loads !== 1) throw new Error(`${loads} clients loaded the same value`);
  };

export const refreshStampede: Bug = {
  name: "refresh-stampede",
  pattern: "a shared load is forgotten before its result is stored, so those who come in between load again",
  kind: "assertion",
  buggy: program(forgetEarly),
  fixed: program(forgetOnceStored),
};
