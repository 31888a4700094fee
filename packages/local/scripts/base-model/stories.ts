import type { RandomStream } from "../../src/model/random-stream.ts";
import { plots, type Character, type Pick, type Scene } from "./plots.ts";
import * as w from "./words.ts";

/** One short story of five to nine sentences. The same random stream gives the same story. */
export function story(random: RandomStream): string {
  const pick: Pick = (words) => random.pick(words);
  const scene = setScene(random, pick);
  const plot = random.pick(plots);
  return plot
    .flatMap((choice) => {
      // Optional beats make two stories of one plot differ in length.
      const sentence = random.pick(choice.sentences);
      return choice.optional === true && random.uniform() < 0.5 ? [] : [sentence(scene, pick)];
    })
    .map(capitalised)
    .join(" ");
}

export function capitalised(text: string): string {
  return text.replace(/^["(]*[a-z]/, (start) => start.toUpperCase());
}

function setScene(random: RandomStream, pick: Pick): Scene {
  const hero = character(random, pick);
  let helper = character(random, pick);
  while (helper.name === hero.name) helper = character(random, pick);
  const noun = pick(random.pick([w.toys, w.toys, w.tools, w.clothes]));
  const adjectives =
    random.uniform() < 0.5 ? [pick(w.sizes), pick(w.colors)] : [pick(random.pick([w.qualities, w.colors, w.sizes]))];
  return {
    hero,
    helper,
    elder: pick(w.family),
    place: pick(random.uniform() < 0.65 ? w.outdoorPlaces : w.indoorPlaces),
    thing: [...adjectives, noun].join(" "),
    noun,
    food: pick(w.foods),
    weather: pick(w.weather),
    time: pick(w.times),
  };
}

function character(random: RandomStream, pick: Pick): Character {
  const kind = random.uniform();
  if (kind < 0.4) return { name: pick(w.girls), subject: "she", object: "her", possessive: "her" };
  if (kind < 0.8) return { name: pick(w.boys), subject: "he", object: "him", possessive: "his" };
  return { name: `the ${pick(w.animals)}`, subject: "it", object: "it", possessive: "its" };
}
