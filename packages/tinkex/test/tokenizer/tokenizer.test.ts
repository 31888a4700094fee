import { LocalTinker } from "@tinkex/local";
import { test } from "vitest";
import {
  ConfigurationError,
  ConnectionError,
  InvalidResponseError,
  ServiceClient,
  systemRuntime,
} from "../../src/index.ts";
import { defaultTokenizerLoader } from "../../src/tokenizer/load-tokenizer.ts";
import { resolveTokenizerId } from "../../src/tokenizer/tokenizer.ts";
import { VirtualRuntime } from "../support/virtual-runtime.ts";

const never = new AbortController().signal;
const hosted = "https://tinker.test";

test("a server without a socket hands out its model's real tokenizer, which round-trips", async ({ expect }) => {
  await using tinker = await LocalTinker.inProcess();
  const runtime = { ...systemRuntime, fetch: (request: Request) => tinker.fetch(request) };
  await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey, env: {}, runtime });
  const training = await service.createLoraTrainingClient({ baseModel: "tinkex/pebble", rank: 8 });
  const tokenizer = await training.getTokenizer();
  const text = 'Mia said: "Zoë has 3 kites 🪁"\n';
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});

test("only a server on this machine may name a folder of this machine", async ({ expect }) => {
  const load = defaultTokenizerLoader(new VirtualRuntime(), hosted);
  await expect(load("/etc", never)).rejects.toThrow(ConfigurationError);
});

test.for(["../../etc/passwd", "a/b/c", "https://elsewhere.test/x", "", "org/name?x=1"])(
  "%j is not asked of the hub",
  async (id, { expect }) => {
    const load = defaultTokenizerLoader(new VirtualRuntime(), hosted);
    await expect(load(id, never)).rejects.toThrow(ConfigurationError);
  },
);

test("a hub that cannot be reached, refuses, or answers nonsense is a typed error that says what else to do", async ({
  expect,
}) => {
  const answering = (answer: () => Response | Error) =>
    defaultTokenizerLoader(
      new VirtualRuntime(() => {
        const outcome = answer();
        return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
      }),
      hosted,
    );
  const unreachable = answering(() => new TypeError("fetch failed"));
  await expect(unreachable("org/name", never)).rejects.toThrow(ConnectionError);
  await expect(unreachable("org/name", never)).rejects.toThrow(/loadTokenizer/);
  await expect(answering(() => new Response("", { status: 403 }))("org/name", never)).rejects.toThrow(
    InvalidResponseError,
  );
  await expect(answering(() => new Response("{"))("org/name", never)).rejects.toThrow(/tokenizer.json/);
});

test("the tokenizer of a model is found by the official client's rules", ({ expect }) => {
  expect(resolveTokenizerId("org/model", "other/tokenizer")).toBe("other/tokenizer");
  expect(resolveTokenizerId("org/model:variant", undefined)).toBe("org/model");
  expect(resolveTokenizerId("org/model/variant", "")).toBe("org/model");
  expect(resolveTokenizerId("meta-llama/Llama-3.2-1B", undefined)).toBe(
    "thinkingmachineslabinc/meta-llama-3-instruct-tokenizer",
  );
});
