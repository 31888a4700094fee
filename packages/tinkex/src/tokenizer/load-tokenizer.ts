import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { abortable } from "../concurrency/linked-signal.ts";
import { ConfigurationError, ConnectionError, InvalidResponseError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { createTokenizer } from "./tokenizer.ts";
import type { TokenizerLoader } from "./tokenizer.ts";

const hub = "https://huggingface.co";
const files = ["tokenizer.json", "tokenizer_config.json"] as const;

/**
 * The default loader. A local server names its tokenizers by the folder they lie in; only a loopback server is trusted
 * to name a folder of this machine. Everything else is an id on the Hugging Face hub.
 */
export function defaultTokenizerLoader(runtime: Runtime, baseUrl: string): TokenizerLoader {
  return async (id, signal) => {
    const read = isAbsolute(id) ? folderReader(id, baseUrl) : hubReader(id, runtime);
    const [definition, config] = await Promise.all(files.map((file) => read(file, signal)));
    return createTokenizer(parse(id, files[0], definition), parse(id, files[1], config));
  };
}

type Read = (file: string, signal: AbortSignal) => Promise<string>;

function folderReader(folder: string, baseUrl: string): Read {
  if (!isLoopback(baseUrl)) {
    throw new ConfigurationError(
      `The server at ${baseUrl} names the tokenizer folder ${folder} of this machine; only a local server may`,
    );
  }
  return (file, signal) => readFile(join(folder, file), { encoding: "utf8", signal });
}

function hubReader(id: string, runtime: Runtime): Read {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(id)) {
    throw new ConfigurationError(`${JSON.stringify(id)} is not the id of a Hugging Face tokenizer`);
  }
  return async (file, signal) => {
    const url = `${hub}/${id}/resolve/main/${file}`;
    const response = await download(runtime, url, signal);
    if (!response.ok) {
      throw new InvalidResponseError(
        `${url} was answered ${response.status}. Pass { loadTokenizer } to take this tokenizer from elsewhere.`,
      );
    }
    return await abortable(response.text(), signal);
  };
}

async function download(runtime: Runtime, url: string, signal: AbortSignal): Promise<Response> {
  try {
    return await abortable(runtime.fetch(new Request(url, { signal })), signal);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw new ConnectionError(
      `${url} cannot be reached. Pass { loadTokenizer } to take this tokenizer from elsewhere.`,
      {
        cause,
      },
    );
  }
}

function parse(id: string, file: string, text: string | undefined): object {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value === "object" && value !== null) return value;
    throw new TypeError("not a JSON object");
  } catch (cause) {
    throw new InvalidResponseError(`${file} of tokenizer ${id} cannot be read`, { cause });
  }
}

function isLoopback(baseUrl: string): boolean {
  const { hostname } = new URL(baseUrl);
  // Names below .localhost never leave the machine (RFC 6761); servers without a socket go by one.
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}
