import { ConfigurationError } from "./errors.ts";
import { systemRuntime } from "./runtime.ts";
import type { Runtime } from "./runtime.ts";
import type { TokenizerLoader } from "./tokenizer/tokenizer.ts";

/** How a `ServiceClient` reaches its server. Everything has a default or an environment variable. */
export interface ServiceClientOptions {
  /** Credential. Default: `TINKER_API_KEY`. Required by one way or the other. */
  readonly apiKey?: string;
  /** Server. Default: `TINKER_BASE_URL`, else the hosted service. */
  readonly baseUrl?: string;
  /** Project that the session counts to. Default: `TINKER_PROJECT_ID`, else none. */
  readonly projectId?: string;
  /** Session tags. Default: `TINKER_TAGS`, separated by commas. */
  readonly tags?: readonly string[];
  /** Kept with the session on the server. */
  readonly userMetadata?: Readonly<Record<string, string>>;
  /** Sent with every request. The credential's own header cannot be replaced. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds that any one call may take, unless it says otherwise. Default 7,200,000 (two hours). */
  readonly deadlineMs?: number;
  /**
   * Milliseconds for which handing a request over is retried before the call fails. Default 300,000. Waiting for the
   * result has only `deadlineMs`.
   */
  readonly submitTimeoutMs?: number;
  /** Where tokenizers come from. Default: a local folder if the server names one and is local, else Hugging Face. */
  readonly loadTokenizer?: TokenizerLoader;
  /** The world; see {@link Runtime}. Clients share rate limits only if they share this object. */
  readonly runtime?: Runtime;
  /** Environment to read the variables above from. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The options with every default filled in. */
export interface ResolvedOptions {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly projectId: string | undefined;
  readonly tags: readonly string[];
  readonly userMetadata: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly submitTimeoutMs: number;
  readonly loadTokenizer: TokenizerLoader | undefined;
  readonly runtime: Runtime;
}

const hostedService = "https://tinker.thinkingmachines.dev/services/tinker-prod";

/** @throws {ConfigurationError} naming the option or variable, never its value if it is a secret */
export function resolveOptions(options: ServiceClientOptions): ResolvedOptions {
  const env = options.env ?? process.env;
  const apiKey = options.apiKey ?? nonEmpty(env["TINKER_API_KEY"]);
  if (apiKey === undefined) {
    throw new ConfigurationError(
      "No API key: set TINKER_API_KEY or pass { apiKey }. Without an account, run a server of your own with @tinkex/local.",
    );
  }
  // Checked here because a header with a line break fails inside fetch, with the key in the message.
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ConfigurationError("The API key holds characters other than printable ASCII; was it copied whole?");
  }
  const cloudflare = {
    "cf-access-client-id": nonEmpty(env["CLOUDFLARE_ACCESS_CLIENT_ID"]),
    "cf-access-client-secret": nonEmpty(env["CLOUDFLARE_ACCESS_CLIENT_SECRET"]),
  };
  return {
    apiKey,
    baseUrl: checkUrl(options.baseUrl ?? nonEmpty(env["TINKER_BASE_URL"]) ?? hostedService),
    projectId: options.projectId ?? nonEmpty(env["TINKER_PROJECT_ID"]),
    tags: options.tags ?? splitTags(env["TINKER_TAGS"]),
    userMetadata: { ...options.userMetadata },
    headers: { ...definedOnly(cloudflare), ...options.headers },
    deadlineMs: checkDuration("deadlineMs", options.deadlineMs ?? 2 * 60 * 60_000),
    submitTimeoutMs: checkDuration("submitTimeoutMs", options.submitTimeoutMs ?? 5 * 60_000),
    loadTokenizer: options.loadTokenizer,
    runtime: options.runtime ?? systemRuntime,
  };
}

/** @throws {ConfigurationError} unless `ms` is a positive number (infinity is one) */
export function checkDuration(name: string, ms: number): number {
  if (typeof ms === "number" && ms > 0) return ms;
  throw new ConfigurationError(`${name} must be a positive number of milliseconds, not ${String(ms)}`);
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new ConfigurationError(`The base URL must start with http:// or https://, not ${JSON.stringify(text)}`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new ConfigurationError("The base URL may hold only a scheme, host, port and path");
  }
  return url.href;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function splitTags(value: string | undefined): readonly string[] {
  const tags = (value ?? "").split(",").map((tag) => tag.trim());
  return [...new Set(tags.filter((tag) => tag !== ""))];
}

function definedOnly(entries: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
