/**
 * Writes home-commands.jsonl: spoken home commands and the tool call that each one means. Seeded, so that the file in
 * the repository can be made again to the byte: `node examples/quickstart/generate-data.ts`.
 */
import { writeFile } from "node:fs/promises";

const devices = [
  "lamp",
  "fan",
  "heater",
  "radio",
  "oven",
  "kettle",
  "speaker",
  "printer",
  "screen",
  "blinds",
  "pump",
  "camera",
];
const rooms = [
  "kitchen",
  "bedroom",
  "bathroom",
  "office",
  "garage",
  "cellar",
  "attic",
  "hallway",
  "nursery",
  "library",
];
const polite = ["", "please ", "could you ", "hey, ", "now "];

interface Phrase {
  readonly action: string;
  readonly text: (device: string, room: string, value: number) => string;
  readonly hasValue?: true;
}

const phrases: readonly Phrase[] = [
  { action: "on", text: (device, room) => `turn on the ${device} in the ${room}` },
  { action: "on", text: (device, room) => `switch the ${room} ${device} on` },
  { action: "on", text: (device, room) => `start the ${device} in the ${room}` },
  { action: "off", text: (device, room) => `turn off the ${device} in the ${room}` },
  { action: "off", text: (device, room) => `switch the ${room} ${device} off` },
  { action: "off", text: (device, room) => `stop the ${device} in the ${room}` },
  { action: "set", text: (device, room, value) => `set the ${room} ${device} to ${value}`, hasValue: true },
  { action: "set", text: (device, room, value) => `put the ${device} in the ${room} at ${value}`, hasValue: true },
];

/** Uniform in [0, 1) from a 32-bit state: the mulberry32 generator. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(20261123);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const rows = new Map<string, string>();
while (rows.size < 700) {
  const [device, room, phrase] = [pick(devices), pick(rooms), pick(phrases)];
  const value = 1 + Math.floor(random() * 9);
  const prompt = pick(polite) + phrase.text(device, room, value);
  const call = { device, room, action: phrase.action, ...(phrase.hasValue && { value }) };
  rows.set(prompt, JSON.stringify(call));
}

const lines = [...rows].map(([prompt, completion]) => JSON.stringify({ prompt, completion }));
await writeFile(new URL("home-commands.jsonl", import.meta.url), `${lines.join("\n")}\n`);
console.log(`home-commands.jsonl: ${lines.length} rows`);
