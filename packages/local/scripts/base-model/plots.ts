import * as w from "./words.ts";

/** One who acts in a story. */
export interface Character {
  /** "Mia", "the fox" */
  readonly name: string;
  readonly subject: "she" | "he" | "it";
  readonly object: "her" | "him" | "it";
  readonly possessive: "her" | "his" | "its";
}

/** What stays the same through a story, so that later sentences can refer to earlier ones. */
export interface Scene {
  readonly hero: Character;
  readonly helper: Character;
  readonly elder: string;
  readonly place: string;
  /** "small red kite", without article */
  readonly thing: string;
  readonly noun: string;
  readonly food: string;
  readonly weather: string;
  readonly time: string;
}

type Sentence = (scene: Scene, pick: Pick) => string;
export type Pick = (words: w.Words) => string;
type Choice = readonly [Sentence, ...Sentence[]];

/** A step of a plot: one of its sentences is told, or none when it is optional. */
export interface Beat {
  readonly sentences: Choice;
  readonly optional?: boolean;
}

export function article(words: string): string {
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

const opening: Beat = {
  sentences: [
    ({ hero, weather, time, place }) => `one ${weather} ${time}, ${hero.name} went to the ${place}.`,
    ({ hero, place }, pick) => `${hero.name} was very ${pick(w.virtues)} and liked to play in the ${place}.`,
    ({ hero, place }, pick) =>
      `there was once ${article(pick(w.sizes))} ${pick(w.indoorPlaces)} near the ${place}, where ${hero.name} lived.`,
    ({ hero, helper }, pick) =>
      `${hero.name} and ${helper.name} were good friends, and every ${pick(w.times)} they met ${pick(["at the gate", "near the well", "under the old tree", "by the wall"])}.`,
    ({ hero, weather, place }, pick) =>
      `it was ${article(weather)} ${pick(w.days)}, and ${hero.name} walked slowly through the ${place}.`,
    ({ hero, place }, pick) => `long ago, ${hero.name} lived in ${article(pick(w.sizes))} house by the ${place}.`,
    ({ hero, elder }, pick) => `on ${pick(w.days)} ${hero.name} woke up early and helped ${hero.possessive} ${elder}.`,
  ],
};

const mood: Beat = {
  optional: true,
  sentences: [
    ({ hero }, pick) => `${hero.subject} felt ${pick(w.moods)} and a little ${pick(w.moods)}.`,
    (_, pick) =>
      `the sky was ${pick(w.colors)} and the wind was ${pick(["soft", "strong", "cold", "warm", "gentle"])}.`,
    ({ hero }, pick) =>
      `${hero.subject} wore ${article(pick(w.colors))} ${pick(w.clothes)} and carried ${article(pick(w.sizes))} ${pick(w.tools)}.`,
    ({ place }, pick) => `the ${place} was full of ${pick(w.colors)} ${pick(w.plants)} leaves.`,
    ({ hero, food }) => `${hero.subject} had ${article(food)} in ${hero.possessive} pocket.`,
    (_, pick) =>
      `somewhere ${article(pick(w.animals))} was ${pick(["singing", "sleeping", "running", "hiding", "calling"])}.`,
  ],
};

const asking: Beat = {
  sentences: [
    ({ hero, helper, noun }) => `"have you seen my ${noun}?" ${hero.name} asked ${helper.name}.`,
    ({ hero, helper }) => `"can you help me?" ${hero.name} asked, and ${helper.name} nodded.`,
    ({ hero, helper, place }) => `"please come with me to the ${place}," said ${hero.name} to ${helper.name}.`,
    ({ hero, helper }, pick) => `${helper.name} saw that ${hero.name} was ${pick(w.moods)} and asked, "what is wrong?"`,
  ],
};

const helping: Beat = {
  sentences: [
    ({ helper }) => `"do not worry," said ${helper.name}, "we will do it together."`,
    ({ hero, helper }) => `${helper.name} smiled and took ${hero.object} by the hand.`,
    ({ helper, place }) => `${helper.name} knew the way and ran ahead to the ${place}.`,
    ({ helper }, pick) =>
      `"I have an idea," said ${helper.name} in a ${pick(["quiet", "loud", "soft", "happy", "low"])} voice.`,
    ({ helper }, pick) =>
      `then ${helper.name} brought ${article(pick(w.qualities))} ${pick(w.tools)} and they began to work.`,
  ],
};

const ending: Beat = {
  sentences: [
    ({ hero, helper }) => `"thank you," said ${hero.name}, and ${helper.name} was glad.`,
    ({ hero, helper, food }) => `then ${hero.name} and ${helper.name} sat down and shared ${article(food)}.`,
    ({ hero, elder }) => `in the evening ${hero.name} told ${hero.possessive} ${elder} everything.`,
    ({ hero }) => `${hero.name} went home with a smile and slept well that night.`,
    ({ hero, helper }) => `from that day on, ${hero.name} and ${helper.name} were the best of friends.`,
    ({ hero }) => `${hero.name} laughed, and everyone laughed too.`,
    ({ hero, place }) => `${hero.name} never forgot that day at the ${place}.`,
  ],
};

const lesson: Beat = {
  optional: true,
  sentences: [
    ({ hero }, pick) => `${hero.name} learned that it is good to be ${pick(w.virtues)}.`,
    ({ elder }) => `"you did well," said the ${elder}.`,
    (_, pick) => `the stars came out, and the night was ${pick(["calm", "quiet", "warm", "bright", "cold"])}.`,
    ({ hero }) => `it was the best day that ${hero.name} could remember.`,
  ],
};

const lost: readonly Beat[] = [
  opening,
  mood,
  {
    sentences: [
      ({ hero, thing }) => `${hero.subject} looked for ${hero.possessive} ${thing}, but it was gone.`,
      ({ hero, thing }) => `suddenly ${hero.subject} saw that ${hero.possessive} ${thing} was lost.`,
      ({ hero, thing, place }) =>
        `${hero.name} had left ${article(thing)} in the ${place}, and now ${hero.subject} could not find it.`,
    ],
  },
  asking,
  helping,
  {
    optional: true,
    sentences: [
      ({ noun }, pick) => `they looked behind the ${pick(w.tools)}, but there was no ${noun}.`,
      (_, pick) => `they looked in the ${pick(w.indoorPlaces)} and under the ${pick(w.plants)}.`,
      (_, pick) => `first they asked ${article(pick(w.animals))}, but it only shook its head.`,
    ],
  },
  {
    sentences: [
      ({ thing }, pick) => `at last they found the ${thing} under ${article(pick(w.sizes))} ${pick(w.plants)}.`,
      ({ noun }, pick) =>
        `"here is your ${noun}!" cried ${pick(["a voice", "someone", "a child"])} from behind the ${pick(w.tools)}.`,
      ({ noun }, pick) =>
        `the ${noun} was in ${article(pick(w.colors))} box on the ${pick(["floor", "table", "shelf", "chair", "step"])}.`,
    ],
  },
  ending,
  lesson,
];

const gift: readonly Beat[] = [
  opening,
  mood,
  {
    sentences: [
      ({ hero, helper, thing }) => `${hero.name} wanted to give ${helper.name} ${article(thing)}.`,
      ({ hero, elder, thing }) => `${hero.possessive} ${elder} gave ${hero.object} ${article(thing)}.`,
      ({ hero, thing }, pick) => `in the ${pick(w.indoorPlaces)} ${hero.subject} saw ${article(thing)} and stopped.`,
    ],
  },
  {
    sentences: [
      ({ hero, noun }) => `"what a beautiful ${noun}!" said ${hero.name}.`,
      ({ noun }, pick) => `the ${noun} was ${pick(w.qualities)} and smelled of ${pick(w.foods)}.`,
      ({ hero, noun }, pick) => `${hero.name} put the ${noun} into ${article(pick(w.colors))} bag.`,
    ],
  },
  {
    sentences: [
      ({ helper, noun }) => `when ${helper.name} saw the ${noun}, ${helper.subject} jumped for joy.`,
      ({ hero, helper, noun }) => `"this ${noun} is for you," said ${hero.name} to ${helper.name}.`,
      ({ helper, noun }, pick) => `${helper.name} was ${pick(w.moods)} and held the ${noun} tight.`,
    ],
  },
  ending,
  lesson,
];

const rescue: readonly Beat[] = [
  opening,
  {
    sentences: [
      ({ hero, place }, pick) => `near the ${place} ${hero.subject} heard ${article(pick(w.animals))} cry for help.`,
      ({ hero }, pick) =>
        `${hero.subject} saw ${article(pick(w.sizes))} ${pick(w.animals)} that could not get down from ${article(pick(w.plants))}.`,
      ({ hero, helper }) => `then ${hero.name} heard that ${helper.name} had fallen into the water.`,
    ],
  },
  mood,
  {
    sentences: [
      ({ hero }, pick) => `${hero.name} was ${pick(w.moods)}, but ${hero.subject} did not run away.`,
      ({ hero }, pick) => `"wait, I am coming!" called ${hero.name} and took ${article(pick(w.tools))}.`,
      ({ hero, thing }) => `${hero.name} threw down the ${thing} and began to climb.`,
    ],
  },
  helping,
  {
    sentences: [
      ({ hero, helper }) => `${hero.name} and ${helper.name} pulled as hard as they could.`,
      (_, pick) => `after ${pick(w.numbers)} minutes everyone was safe.`,
      ({ hero }, pick) => `slowly ${hero.subject} came back with the ${pick(w.animals)} in ${hero.possessive} arms.`,
    ],
  },
  ending,
  lesson,
];

const cooking: readonly Beat[] = [
  opening,
  {
    sentences: [
      ({ hero, food }) => `${hero.name} wanted to make ${article(food)} for dinner.`,
      ({ hero, elder, food }) => `"let us make ${article(food)}," said ${hero.possessive} ${elder}.`,
      ({ hero, helper, food }) => `${helper.name} was hungry, so ${hero.name} looked for ${article(food)}.`,
    ],
  },
  {
    sentences: [
      (_, pick) => `they needed ${pick(w.numbers)} ${pick(w.foods)}s and ${article(pick(w.colors))} cup.`,
      ({ hero }, pick) =>
        `${hero.name} turned on the ${pick(["oven", "light", "lamp", "radio", "heater", "fan", "kettle"])} in the ${pick(w.indoorPlaces)}.`,
      ({ helper }, pick) =>
        `${helper.name} opened the ${pick(["window", "door", "curtain", "box"])} and closed the ${pick(["window", "door", "oven", "bag"])}.`,
      ({ hero, helper }, pick) =>
        `"please turn off the ${pick(w.tools)}," said ${hero.name}, and ${helper.name} did so.`,
      ({ helper }, pick) =>
        `it was dark, so ${helper.name} switched the ${pick(["lamp", "light", "lantern", "candle"])} on.`,
      ({ hero, elder }, pick) =>
        `"switch on the ${pick(w.tools)} and open the ${pick(["door", "window", "oven"])}," said the ${elder} to ${hero.name}.`,
      (_, pick) => `there was no ${pick(w.foods)} left on the ${pick(["shelf", "table", "plate"])}.`,
    ],
  },
  mood,
  {
    sentences: [
      ({ food }, pick) =>
        `soon the ${food} was ready, and it was ${pick(["warm", "sweet", "good", "too hot", "very big"])}.`,
      ({ food, helper }) => `"this is the best ${food} of all!" said ${helper.name}.`,
      ({ hero, food }) => `${hero.name} cut the ${food} and gave everyone a piece.`,
    ],
  },
  ending,
  lesson,
];

const journey: readonly Beat[] = [
  opening,
  {
    sentences: [
      ({ hero }, pick) => `${hero.name} took the ${pick(w.vehicles)} from ${pick(w.cities)} to ${pick(w.cities)}.`,
      ({ hero, helper }, pick) => `in ${pick(w.months)} ${hero.name} and ${helper.name} went to ${pick(w.cities)}.`,
      ({ hero, place }) => `${hero.name} followed the road behind the ${place} for a long time.`,
    ],
  },
  mood,
  {
    sentences: [
      ({ hero }, pick) =>
        `on the way ${hero.subject} met ${article(pick(w.virtues))} ${pick(w.animals)} with ${article(pick(w.colors))} ${pick(w.clothes)}.`,
      ({ helper }, pick) => `${helper.name} played the ${pick(w.instruments)}, and everyone sang.`,
      ({ hero, food }) => `${hero.name} ate ${article(food)} and looked out of the window.`,
    ],
  },
  {
    sentences: [
      ({ hero, thing }) => `behind the last house ${hero.subject} found ${article(thing)}.`,
      ({ helper, place }) => `"look, there is the ${place}!" called ${helper.name}.`,
      (_, pick) => `at ${pick(w.clockTimes)} they were still ${pick(["walking", "singing", "talking", "laughing"])}.`,
    ],
  },
  ending,
  lesson,
];

const quarrel: readonly Beat[] = [
  opening,
  {
    sentences: [
      ({ hero, helper, noun }) => `${hero.name} and ${helper.name} both wanted the ${noun}.`,
      ({ hero, noun }) => `"it is my ${noun}!" said ${hero.name}.`,
      ({ helper, thing }) => `${helper.name} broke the ${thing} and did not say a word.`,
    ],
  },
  {
    sentences: [
      ({ helper }, pick) => `${helper.name} was ${pick(w.moods)} and went to the ${pick(w.indoorPlaces)}.`,
      ({ helper }) => `"that is not fair," said ${helper.name} and turned away.`,
      ({ hero }) => `for a while ${hero.name} sat alone and said nothing.`,
    ],
  },
  {
    sentences: [
      ({ elder, noun }) => `then the ${elder} came and asked, "why do you not share the ${noun}?"`,
      ({ hero, helper }) => `"I am sorry," said ${hero.name} to ${helper.name}.`,
      ({ hero, helper, food }) => `${hero.name} gave ${helper.name} half of ${hero.possessive} ${food}.`,
    ],
  },
  ending,
  lesson,
];

type Plot = readonly Beat[];

/** Losing things happens most often. */
export const plots: readonly [Plot, ...Plot[]] = [lost, lost, gift, rescue, cooking, journey, quarrel];
