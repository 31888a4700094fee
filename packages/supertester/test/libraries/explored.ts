import { explore, type Sim } from "../../src/index.ts";

/** A body that also says what it saw, in order. */
type NotingBody = (sim: Sim, note: (what: unknown) => void) => Promise<void>;

/** What every schedule of an exploration saw; equal lists mean equal behaviour, schedule by schedule. */
export async function explored(body: NotingBody, runs: number, seed = 1): Promise<string[]> {
  const seen: string[] = [];
  const noting = async (sim: Sim) => {
    const notes: unknown[] = [];
    await body(sim, (what) => notes.push([sim.now, what]));
    seen.push(JSON.stringify(notes));
  };
  await explore(noting, { strategy: "random", runs, seed, timeMs: 20_000 });
  return seen;
}

/**
 * Explores the body twice from one seed. The library under it behaves when both saw the same, and the exploration is
 * worth something when its schedules differ from each other.
 */
export async function exploredTwice(body: NotingBody, runs = 40): Promise<{ same: boolean; distinct: number }> {
  const [first, second] = [await explored(body, runs), await explored(body, runs)];
  return { same: JSON.stringify(first) === JSON.stringify(second), distinct: new Set(first).size };
}
