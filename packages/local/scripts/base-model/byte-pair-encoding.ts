/**
 * Trains a byte-level byte-pair encoding and writes it as a Hugging Face `tokenizer.json`.
 *
 * Words, single digits, runs of punctuation, spaces and line breaks are kept apart, and spaces are never part of a
 * word: a word has the same tokens wherever it stands, which makes copying one easy to learn.
 */
export const splitPattern = "\\p{L}+|\\p{N}|[^\\S\\n]+|\\n+|[^\\p{L}\\p{N}\\s]+";

export const endOfText = "<|endoftext|>";
export const padding = "<|pad|>";

export interface ByteLevelTokenizer {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
}

/** GPT-2's printable stand-ins: each byte is one visible character, so that a vocabulary is readable JSON. */
function byteCharacters(): readonly string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

interface Word {
  symbols: string[];
  readonly count: number;
}

/** @param size Tokens in all: the two special ones, 256 bytes and as many merges as fit. */
export function trainByteLevelTokenizer(texts: Iterable<string>, size: number): ByteLevelTokenizer {
  const characters = byteCharacters();
  const counts = new Map<string, number>();
  const pattern = new RegExp(splitPattern, "gu");
  for (const text of texts)
    for (const piece of text.match(pattern) ?? []) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const encoder = new TextEncoder();
  const words: Word[] = [...counts].map(([piece, count]) => ({
    symbols: [...encoder.encode(piece)].map((byte) => characters[byte] ?? ""),
    count,
  }));

  const vocabulary = new Map<string, number>([endOfText, padding, ...characters].map((token, id) => [token, id]));
  const merges: (readonly [string, string])[] = [];
  while (vocabulary.size < size) {
    const best = mostFrequentPair(words);
    if (best === undefined) break;
    merges.push(best);
    vocabulary.set(best.join(""), vocabulary.size);
    for (const word of words) merge(word, best);
  }
  return { vocabulary, merges };
}

/** Ties go to the pair that sorts first, so that the result does not depend on the order of the texts. */
function mostFrequentPair(words: readonly Word[]): readonly [string, string] | undefined {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let index = 1; index < symbols.length; index++) {
      const pair = `${symbols[index - 1] ?? ""} ${symbols[index] ?? ""}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  for (const [pair, count] of counts) {
    const record = best === undefined ? 0 : (counts.get(best) ?? 0);
    if (count > record || (count === record && best !== undefined && pair < best)) best = pair;
  }
  const [left, right] = best?.split(" ") ?? [];
  return left === undefined || right === undefined ? undefined : [left, right];
}

function merge(word: Word, [left, right]: readonly [string, string]): void {
  const merged: string[] = [];
  for (let index = 0; index < word.symbols.length; index++) {
    const symbol = word.symbols[index] ?? "";
    if (symbol === left && word.symbols[index + 1] === right) {
      merged.push(left + right);
      index += 1;
    } else {
      merged.push(symbol);
    }
  }
  word.symbols = merged;
}

export function tokenizerJson({ vocabulary, merges }: ByteLevelTokenizer): Record<string, unknown> {
  const special = (content: string) => ({
    id: vocabulary.get(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(endOfText), special(padding)],
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: splitPattern }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges,
    },
  };
}

/** @param contextLength Tokens that the model takes. */
export function tokenizerConfigJson(contextLength: number): Record<string, unknown> {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: contextLength,
    eos_token: endOfText,
    pad_token: padding,
    clean_up_tokenization_spaces: false,
    add_prefix_space: false,
  };
}
