/** Whether a sequence is complete; asked after every token, which stays part of the sequence. */
export interface StopCondition {
  /** @param tokens The completion so far, whose last token is new. */
  reached(tokens: readonly number[]): boolean;
}

/** Turns token ids into text, keeping special tokens. */
export type Decode = (tokens: readonly number[]) => string;

export function stopAtTokens(stopTokens: readonly number[]): StopCondition {
  const stops = new Set(stopTokens);
  return { reached: (tokens) => stops.has(tokens.at(-1) ?? -1) };
}

/**
 * Stops when the completion's text contains one of the strings, which may begin and end inside tokens.
 *
 * Every token has at least one byte and a UTF-16 unit at most three, so that a string that ends in the new token begins
 * at most so many tokens before; only those are decoded again. The margin of four covers a character whose bytes the
 * window cuts.
 */
export function stopAtStrings(strings: readonly string[], decode: Decode): StopCondition {
  const wanted = strings.filter((text) => text.length > 0);
  const window = 3 * Math.max(0, ...wanted.map(({ length }) => length)) + 4;
  return {
    reached: (tokens) => {
      if (wanted.length === 0) return false;
      const text = decode(tokens.slice(-window));
      return wanted.some((stop) => text.includes(stop));
    },
  };
}

export function stopAtAny(conditions: readonly StopCondition[]): StopCondition {
  return { reached: (tokens) => conditions.some((condition) => condition.reached(tokens)) };
}
