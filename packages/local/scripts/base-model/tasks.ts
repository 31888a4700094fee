import type { RandomStream } from "../../src/model/random-stream.ts";
import { article } from "./plots.ts";
import { capitalised, story } from "./stories.ts";
import * as w from "./words.ts";

/**
 * Small tasks with one right answer. They teach what fine-tuning then builds on: copying a span, finding the value that
 * fills a slot, writing a given format. No task here is about the control of devices at home, which the repository's
 * quickstart teaches a model that has not seen it.
 */
export function task(random: RandomStream): string {
  const kind = random.uniform();
  if (kind < 0.5) return extraction(random);
  if (kind < 0.8)
    return repeated(random, random.pick([copying, copying, copying, counting, reversing, capitals, picking]));
  return questions(random);
}

const separators: w.Words = ["\n", "\n", "\n", "\n", " -> ", " => "];

/** One to four tasks of a kind, so that a reader who is shown some can do the next. */
function repeated(
  random: RandomStream,
  one: (random: RandomStream) => readonly [input: string, output: string],
): string {
  const separator = random.pick(separators);
  return Array.from({ length: 1 + random.below(4) }, () => one(random).join(separator)).join("\n");
}

/** Words to work on: of one kind or of many, with invented ones or numbers among them. */
function wordList(random: RandomStream, length: number): string[] {
  const lists = [w.toys, w.tools, w.foods, w.animals, w.colors, w.cities, w.clothes, w.indoorPlaces] as const;
  const one = random.pick(lists);
  const mixed = random.uniform() < 0.5;
  const invented = random.uniform() < 0.5 ? 0.4 : 0;
  return Array.from({ length }, () => {
    const kind = random.uniform();
    if (kind < invented) return w.inventedWord((words) => random.pick(words));
    if (kind > 0.9) return digits(random);
    return random.pick(mixed ? random.pick(lists) : one);
  });
}

function digits(random: RandomStream): string {
  return String(random.below(random.pick([10, 10, 100, 1000])));
}

function copying(random: RandomStream): readonly [string, string] {
  const words = wordList(random, 1 + random.below(8)).join(random.pick([" ", " ", ", "]));
  return [`${random.pick(["copy", "say", "repeat", "echo"])}: ${words}`, words];
}

function counting(random: RandomStream): readonly [string, string] {
  const [word = ""] = wordList(random, 1);
  const count = 1 + random.below(9);
  return [`count: ${Array.from({ length: count }, () => word).join(" ")}`, String(count)];
}

function reversing(random: RandomStream): readonly [string, string] {
  const words = wordList(random, 2 + random.below(3));
  return [`reverse: ${words.join(" ")}`, words.toReversed().join(" ")];
}

function capitals(random: RandomStream): readonly [string, string] {
  const words = wordList(random, 1 + random.below(2)).join(" ");
  return [`upper: ${words}`, words.toUpperCase()];
}

type Position = readonly [name: string, index: number];
const positions: readonly [Position, ...Position[]] = [
  ["first", 0],
  ["second", 1],
  ["third", 2],
  ["last", -1],
];

function picking(random: RandomStream): readonly [string, string] {
  const words = wordList(random, 3 + random.below(3));
  const [name, index] = random.pick(positions);
  return [`${name}: ${words.join(" ")}`, words.at(index) ?? ""];
}

/** Facts, then questions about them. */
function questions(random: RandomStream): string {
  const people = [random.pick(w.girls), random.pick(w.boys)];
  const facts = people.map((person) => {
    const thing = `${random.pick(w.colors)} ${random.pick(random.pick([w.toys, w.tools, w.clothes]))}`;
    const place = random.pick(random.pick([w.outdoorPlaces, w.indoorPlaces]));
    const day = random.pick(w.days);
    return random.pick([
      { text: `${person} has ${article(thing)}.`, question: `What does ${person} have?`, answer: article(thing) },
      { text: `${person} is in the ${place}.`, question: `Where is ${person}?`, answer: `in the ${place}` },
      { text: `${person} came on ${day}.`, question: `When did ${person} come?`, answer: `on ${day}` },
      {
        text: `${person} put the ${thing} in the ${place}.`,
        question: `Where is the ${thing}?`,
        answer: `in the ${place}`,
      },
    ]);
  });
  const asked = random.uniform() < 0.5 ? facts : facts.toReversed();
  const introduction = random.uniform() < 0.3 ? `${story(random).split(". ")[0] ?? ""}. ` : "";
  const pairs = asked.map(({ question, answer }) => `Q: ${question}\nA: ${answer}`);
  return `${introduction}${facts.map(({ text }) => text).join(" ")}\n${pairs.join("\n")}`;
}

interface Domain {
  /** Sentences with {slot} marks; every domain also knows {number}. */
  readonly templates: w.Words;
  readonly slots: Readonly<Record<string, { readonly values: w.Words; readonly keys: w.Words }>>;
}

const slot = (values: w.Words, ...keys: readonly [string, ...string[]]) => ({ values, keys });

const domains: readonly [Domain, ...Domain[]] = [
  {
    templates: [
      "book a {vehicle} from {from} to {to} on {day}",
      "I need a {vehicle} to {to} on {day}",
      "is there a {vehicle} from {from} to {to}",
      "cancel the {vehicle} to {to}",
      "find me the {vehicle} that leaves {from} on {day}",
      "the {vehicle} to {to} leaves from platform {number}",
      "keep {number} seats on the {vehicle} from {from}",
    ],
    slots: {
      vehicle: slot(w.vehicles, "vehicle", "by", "type"),
      from: slot(w.cities, "from", "start", "origin"),
      to: slot(w.cities, "to", "goal", "city"),
      day: slot(w.days, "day", "date", "when"),
    },
  },
  {
    templates: [
      "bring {count} {food} to the {place}",
      "{verb} {count} {food} for {person}",
      "{person} would like {food} with {extra}",
      "please {verb} the {food} in the {place}",
      "no {extra} on the {food} for {person}",
      "{food} for table {number} in the {place}",
      "{verb} {number} {food} with {extra}",
    ],
    slots: {
      count: slot(w.numbers, "count", "number", "amount"),
      food: slot(w.foods, "food", "item", "dish"),
      extra: slot(w.foods, "extra", "with", "side"),
      place: slot(w.indoorPlaces, "place", "where", "room"),
      person: slot(w.girls, "name", "person", "guest"),
      verb: slot(["order", "cook", "warm", "serve", "pack"], "verb", "action", "do"),
    },
  },
  {
    templates: [
      "{verb} {person} at {time} in the {place}",
      "{person} will {verb} us on {day} at {time}",
      "remind me to {verb} {person} on {day}",
      "on {day} at {time} I {verb} {person}",
      "{verb} {person} in {number} days",
      "{verb} {person} at {number} in the {place}",
    ],
    slots: {
      verb: slot(["meet", "call", "visit", "see", "help", "thank"], "verb", "action", "task"),
      person: slot(w.boys, "person", "who", "name"),
      time: slot(w.clockTimes, "time", "hour", "at"),
      day: slot(w.days, "day", "on", "date"),
      place: slot(w.outdoorPlaces, "place", "where", "location"),
    },
  },
  {
    templates: [
      "{verb} the {song} on the {instrument}",
      "{person} can {verb} the {instrument}",
      "{verb} a {song} for {person} please",
      "who will {verb} the {instrument} on {day}",
      "{verb} the {song} {number} times",
      "{verb} page {number} of the {song} for {person}",
    ],
    slots: {
      verb: slot(["play", "stop", "learn", "hear", "record", "repeat"], "verb", "action", "command"),
      song: slot(w.songs, "song", "title", "piece"),
      instrument: slot(w.instruments, "instrument", "tool", "with"),
      person: slot(w.girls, "person", "who", "for"),
      day: slot(w.days, "day", "when", "date"),
    },
  },
  {
    templates: [
      "{verb} the {animal} in the {place}",
      "the {color} {animal} is {state}",
      "give {food} to the {animal} in the {place}",
      "the {animal} in the {place} is {state}",
      "{verb} the {color} {animal}",
      "the {animal} in the {place} is {number} years old",
      "{verb} {number} {animal} and give them {food}",
    ],
    slots: {
      verb: slot(["feed", "wash", "find", "catch", "follow", "paint", "draw"], "verb", "action", "do"),
      animal: slot(w.animals, "animal", "pet", "kind"),
      place: slot(w.outdoorPlaces, "place", "where", "location"),
      color: slot(w.colors, "color", "look", "paint"),
      state: slot(w.moods, "state", "mood", "status"),
      food: slot(w.foods, "food", "meal", "item"),
    },
  },
  {
    templates: [
      "{buyer} buys {count} {color} {thing}",
      "{verb} the {size} {thing} to {buyer}",
      "the {thing} is {color} and {size}",
      "{verb} {count} {thing} from the {place}",
      "where is the {color} {thing}, in the {place} or not",
      "the {color} {thing} costs {number}",
      "{verb} {thing} number {number} to {buyer}",
    ],
    slots: {
      verb: slot(["sell", "send", "bring", "show", "give"], "verb", "action", "order"),
      buyer: slot(w.boys, "buyer", "customer", "to"),
      count: slot(w.numbers, "count", "number", "quantity"),
      color: slot(w.colors, "color", "shade", "look"),
      thing: slot(w.clothes, "thing", "item", "product"),
      size: slot(w.sizes, "size", "fit", "form"),
      place: slot(w.indoorPlaces, "place", "store", "where"),
    },
  },
  {
    templates: [
      "{teacher} teaches {subject} on {day} at {time}",
      "the {subject} lesson is in the {place}",
      "move {subject} from {day} to {time}",
      "{team} won the {subject} game in {month}",
      "{teacher} teaches {subject} in room {number}",
      "read page {number} for {subject} on {day}",
    ],
    slots: {
      teacher: slot(w.girls, "teacher", "name", "who"),
      subject: slot(w.subjects, "subject", "class", "topic"),
      day: slot(w.days, "day", "date", "on"),
      time: slot(w.clockTimes, "time", "hour", "at"),
      place: slot(w.indoorPlaces, "place", "room", "where"),
      team: slot(w.teams, "team", "winner", "club"),
      month: slot(w.months, "month", "when", "date"),
    },
  },
];

type Format = (fields: readonly (readonly [key: string, value: string | number])[]) => string;

const json: Format = (fields) => JSON.stringify(Object.fromEntries(fields));
const formats: readonly [Format, ...Format[]] = [
  json,
  json,
  json,
  json,
  (fields) => fields.map(([key, value]) => `${key}=${value}`).join("; "),
  (fields) => fields.map(([key, value]) => `${key}: ${value}`).join("\n"),
  (fields) => fields.map(([key, value]) => `<${key}>${value}</${key}>`).join(""),
];

/** Requests of one domain and their slots in one format: same key names and order through the document. */
function extraction(random: RandomStream): string {
  const domain = random.pick(domains);
  const format = random.pick(formats);
  const separator = random.pick(separators);
  const slots = { ...domain.slots, number: slot(w.numbers, "number", "value", "n", "amount") };
  const keys = Object.fromEntries(Object.entries(slots).map(([name, { keys: names }]) => [name, random.pick(names)]));
  const order = Object.keys(slots).sort();
  if (random.uniform() < 0.5) order.reverse();
  // Documents with one template repeat the very same fields; in others the fields vary with the sentence.
  const fixed = random.uniform() < 0.5 ? random.pick(domain.templates) : undefined;

  const one = (): string => {
    const template = fixed ?? random.pick(domain.templates);
    const values = new Map<string, string | number>();
    const request = template.replace(/\{(\w+)\}/g, (_, name: string) => {
      if (name === "number") {
        const number = digits(random);
        values.set(name, Number(number));
        return number;
      }
      const words = domain.slots[name]?.values ?? w.toys;
      const value = random.uniform() < 0.2 ? w.inventedWord((list) => random.pick(list)) : random.pick(words);
      values.set(name, value);
      return value;
    });
    const fields = order.flatMap((name) => {
      const value = values.get(name);
      return value === undefined ? [] : [[keys[name] ?? name, value] as const];
    });
    return `${random.uniform() < 0.3 ? capitalised(request) : request}${separator}${format(fields)}`;
  };
  return Array.from({ length: 1 + random.below(5) }, one).join("\n");
}
