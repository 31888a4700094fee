/** The words that the training text is made of. Everything here was written for this project. */

export type Words = readonly [string, ...string[]];

function list(text: string): Words {
  const [first = "", ...rest] = text.split(", ");
  return [first, ...rest];
}

export const girls: Words = list(
  "Mia, Anna, Lily, Nora, Ella, Rosa, Zoe, Ivy, Clara, Maya, Lucy, Emma, Ada, Sara, Hana",
);
export const boys: Words = list("Tom, Ben, Max, Leo, Sam, Finn, Oscar, Hugo, Noah, Paul, Theo, Jack, Omar, Ravi, Kai");
export const animals: Words = list(
  "cat, dog, rabbit, fox, bear, mouse, duck, owl, pony, goat, frog, hen, squirrel, turtle, lamb, horse, bird, " +
    "sheep, cow, pig",
);
export const family: Words = list(
  "mother, father, sister, brother, grandmother, grandfather, aunt, uncle, cousin, teacher, neighbor, friend",
);

export const outdoorPlaces: Words = list(
  "garden, park, forest, river, lake, hill, beach, meadow, farm, market, village, bridge, playground, field, " +
    "harbor, street, barn, mountain, pond, island",
);
export const indoorPlaces: Words = list(
  "kitchen, bedroom, bathroom, hall, office, garage, attic, cellar, library, school, shop, living room, " +
    "dining room, museum, bakery, tower, station, hallway, basement, balcony",
);

export const toys: Words = list(
  "kite, ball, doll, drum, puzzle, robot, train, boat, balloon, book, crayon, whistle, ring, map, bell, flute, " +
    "mask, wagon, puppet, top",
);
export const tools: Words = list(
  "lamp, ladder, rope, basket, bucket, key, clock, hammer, broom, blanket, umbrella, mirror, box, bag, cup, " +
    "lantern, candle, radio, fan, heater, camera, phone, pen, knife, spoon, light, television, speaker, oven, " +
    "kettle, door, window, curtain, table, chair, bed, shelf, brush, pump, saw",
);
export const clothes: Words = list("hat, coat, scarf, shirt, dress, boot, glove, sweater, cap, sock, jacket, belt");
export const foods: Words = list(
  "apple, cake, bread, soup, pie, cookie, pear, carrot, cheese, honey, plum, berry, egg, rice, pasta, salad, " +
    "pizza, sandwich, milk, tea, juice, coffee, banana, lemon, tomato, potato, onion, bean, corn, nut",
);
export const colors: Words = list(
  "red, blue, green, yellow, white, black, brown, pink, gray, orange, purple, golden, silver",
);
export const sizes: Words = list("small, big, tiny, little, large, long, short, round, tall, heavy");
export const qualities: Words = list(
  "old, new, soft, shiny, pretty, strange, broken, warm, clean, dusty, lost, bright, wooden, cold, quiet, noisy",
);
export const moods: Words = list(
  "happy, sad, tired, angry, scared, proud, hungry, excited, lonely, surprised, brave, curious, calm, shy, " +
    "worried",
);
export const virtues: Words = list(
  "kind, brave, clever, gentle, curious, careful, honest, funny, patient, busy, quiet, cheerful, lazy, proud",
);
export const weather: Words = list("sunny, rainy, windy, cold, warm, cloudy, snowy, foggy, bright, stormy");
export const days: Words = list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday");
export const times: Words = list("morning, afternoon, evening, day, night");
export const clockTimes: Words = list("noon, midnight, seven, eight, nine, ten, three, four, five, dawn, sunset");
export const months: Words = list("January, March, April, May, June, July, August, October, December");
export const cities: Words = list(
  "Paris, Rome, Oslo, Cairo, Lima, Tokyo, Berlin, Madrid, Dublin, Vienna, Athens, Delhi, Boston, Quito, Sydney",
);
export const numbers: Words = list("one, two, three, four, five, six, seven, eight, nine, ten");
export const vehicles: Words = list("train, bus, boat, plane, car, ferry, taxi, bike, tram");
export const instruments: Words = list("piano, guitar, violin, drum, flute, trumpet, harp, cello");
export const songs: Words = list("waltz, lullaby, march, ballad, anthem, serenade, hymn, carol");
export const subjects: Words = list("history, music, science, math, art, geography, reading, biology, chess");
export const teams: Words = list("Lions, Hawks, Bears, Wolves, Sharks, Tigers, Eagles, Foxes");
export const plants: Words = list("rose, tulip, daisy, fern, oak, pine, lily, tree, flower, bush");

const onsets: Words = list("b, d, f, g, k, l, m, n, p, r, s, t, v, z, br, dr, gl, kr, pl, st, tr, sh");
const vowels: Words = list("a, e, i, o, u, ai, ee, oo");
const codas: Words = ["", "n", "m", "k", "l", "r", "s", "t", "x", "nd", "rk"];

/** A word that does not exist, so that copying has to work for words never seen before. */
export function inventedWord(pick: (words: Words) => string): string {
  const syllable = (): string => pick(onsets) + pick(vowels) + pick(codas);
  return pick(["one", "two"]) === "one" ? syllable() : syllable() + syllable();
}
