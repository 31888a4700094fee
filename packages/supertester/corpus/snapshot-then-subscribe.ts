import { EventEmitter } from "node:events";
import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Resolves with a list that is kept up to date from then on. */
type Watch = (changes: EventEmitter<{ added: [string] }>) => Promise<string[]>;

async function load(): Promise<string[]> {
  const response = await fetch("http://list.test/");
  return (await response.json()) as string[];
}

const snapshotFirst: Watch = async (changes) => {
  const list = await load();
  changes.on("added", (item) => list.push(item));
  return list;
};

const subscribeFirst: Watch = async (changes) => {
  const added = new Set<string>();
  let list: string[] | undefined;
  changes.on("added", (item) => {
    if (list === undefined) added.add(item);
    else list.push(item);
  });
  const snapshot = await load();
  list = [...new Set([...snapshot, ...added])];
  return list;
};

const program =
  (watch: Watch): SimBody =>
  async (sim) => {
    const changes = new EventEmitter<{ added: [string] }>();
    const stored = ["one"];
    sim.http("list.test", () => ({ json: stored }));
    const add = sim.io(
      "add",
      () => {
        stored.push("two");
        changes.emit("added", "two");
      },
      { latency: [50, 250] },
    );
    const [list] = await Promise.all([watch(changes), add]);
    if (list.length !== 2) throw new Error(`the list shows ${list.length} of 2 items`);
  };

export const snapshotThenSubscribe: Bug = {
  name: "snapshot-then-subscribe",
  pattern: "a change between taking a snapshot and subscribing to changes is in neither",
  kind: "assertion",
  buggy: program(snapshotFirst),
  fixed: program(subscribeFirst),
};
