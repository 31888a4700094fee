import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** Special tokens that the model's tokenizer adds around a text are left out, as prompts bring their own. */
  encode(text: string): number[];
  decode(tokens: Iterable<number>): string;
}

/** Loads the tokenizer with this id (see {@link resolveTokenizerId}). Aborting rejects with the signal's reason. */
export type TokenizerLoader = (id: string, signal: AbortSignal) => Promise<Tokenizer>;

/** Builds a tokenizer from the parsed `tokenizer.json` and `tokenizer_config.json` of a Hugging Face model. */
export function createTokenizer(definition: object, config: object): Tokenizer {
  const tokenizer = new HuggingFaceTokenizer(definition, config);
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (tokens) =>
      tokenizer.decode([...tokens], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
  };
}

/**
 * The tokenizer that goes with a model, by the official client's rules: an id from the server wins; without one a
 * `:suffix` of the model's name is cut off, Llama 3 models share one tokenizer that is not gated, and of
 * `organisation/model/variant` the first two parts count.
 */
export function resolveTokenizerId(modelName: string, tokenizerId: string | undefined): string {
  if (tokenizerId !== undefined && tokenizerId !== "") return tokenizerId;
  const name = modelName.split(":", 1)[0] ?? modelName;
  if (name.startsWith("meta-llama/Llama-3")) return "thinkingmachineslabinc/meta-llama-3-instruct-tokenizer";
  const parts = name.split("/");
  return parts.length === 3 ? parts.slice(0, 2).join("/") : name;
}
