import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { EngineError } from "../engine/engine.ts";

/**
 * Loads the tokenizer of a model folder.
 *
 * @throws EngineError when a file is missing or is not a tokenizer.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  try {
    const [tokenizer, config] = await Promise.all(
      ["tokenizer.json", "tokenizer_config.json"].map(async (file): Promise<object> => {
        return JSON.parse(await readFile(join(folder, file), "utf8")) as object;
      }),
    );
    return new Tokenizer(tokenizer, config);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(`Cannot load the tokenizer of ${folder}: ${reason}`, { cause });
  }
}
