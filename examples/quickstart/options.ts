import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** What the quickstart does, from the command line and the environment. */
export interface QuickstartOptions {
  readonly data: string;
  readonly steps: number;
  readonly batch: number;
  readonly rank: number;
  readonly learningRate: number;
  /** Default: the server's first model. */
  readonly baseModel: string | undefined;
  /** A server of somebody else's; without one a local Tinker is started. */
  readonly baseUrl: string | undefined;
}

/** The command line makes no sense; the message says what does. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const usage = `Fine-tunes a model on prompt/completion pairs and shows what it says before and after.

  npm start -- [options]

  --data FILE        JSONL file with {"prompt": "…", "completion": "…"} lines (default: the home commands beside this)
  --steps N          training steps (default 150)
  --batch N          rows per step (default 16)
  --rank N           LoRA rank (default 32)
  --learning-rate X  peak learning rate (default 0.004)
  --base-model NAME  model to start from (default: the server's first)
  --help             this text

By default a Tinker runs inside this process. TINKER_BASE_URL and TINKER_API_KEY train on another server instead.`;

/** `undefined` means that help was asked for. */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): QuickstartOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const baseUrl = env["TINKER_BASE_URL"];
  return {
    data: values.data ?? fileURLToPath(new URL("home-commands.jsonl", import.meta.url)),
    steps: wholeNumber("--steps", values.steps ?? "150"),
    batch: wholeNumber("--batch", values.batch ?? "16"),
    rank: wholeNumber("--rank", values.rank ?? "32"),
    learningRate: positive("--learning-rate", values["learning-rate"] ?? "0.004"),
    baseModel: values["base-model"],
    baseUrl: baseUrl === "" ? undefined : baseUrl,
  };
}

interface RawOptions {
  readonly data?: string;
  readonly steps?: string;
  readonly batch?: string;
  readonly rank?: string;
  readonly "learning-rate"?: string;
  readonly "base-model"?: string;
  readonly help?: boolean;
}

function parse(args: readonly string[]): RawOptions {
  const text = { type: "string" } as const;
  const help = { type: "boolean", short: "h" } as const;
  const options = { data: text, steps: text, batch: text, rank: text, "learning-rate": text, "base-model": text, help };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split(/\. |\n/, 1)[0]} (see npm start -- --help)`);
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError(`${name} must be a whole number of at least 1, not ${JSON.stringify(text)}`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`${name} must be a number above 0, not ${JSON.stringify(text)}`);
}
