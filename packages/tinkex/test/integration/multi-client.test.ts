import { test } from "vitest";
import { Datum, ModelInput } from "../../src/index.ts";
import type { SampleResponse, TrainingClient } from "../../src/index.ts";
import { Network, type LocalServer } from "../support/local-server.ts";

const baseModel = "scripted/tiny";
const prompt = ModelInput.fromInts([5, 6, 7]);
const data = Array.from({ length: 4 }, (_, row) =>
  Datum.from({
    modelInput: ModelInput.fromInts([row, 2, 3]),
    lossFnInputs: { target_tokens: [2, 3, 4], weights: [1, 1, 1] },
  }),
);

async function trainingRun(training: TrainingClient, steps: number): Promise<void> {
  const futures = Array.from({ length: steps }, () => [
    training.forwardBackward(data, "cross_entropy"),
    training.optimStep({ learningRate: 0.02 }),
  ]);
  await Promise.all(futures.flat());
}

/** What happened to each model, in order. */
function historyOf({ engine }: LocalServer): ReadonlyMap<string, readonly string[]> {
  const histories = new Map<string, string[]>();
  for (const { operation, target } of engine.effects) {
    if (operation !== "forwardBackward" && operation !== "optimStep") continue;
    const history = histories.get(target) ?? [];
    histories.set(target, [...history, operation]);
  }
  return histories;
}

test("two tenants train and sample at once; one's trouble and rate limits do not touch the other", async ({
  expect,
}) => {
  const network = new Network();
  await using a = await network.serve("a.test");
  await using b = await network.serve("b.test");
  await using serviceA = a.client();
  await using serviceB = b.client();
  a.tinker.faults.add({ route: "forward_backward", kind: "status", status: 500 });
  a.tinker.faults.add({ route: "retrieve_future", kind: "status", status: 503, times: 3, after: 4 });

  const [trainingA, trainingB, samplingA, samplingB] = await network.run(
    Promise.all([
      serviceA.createLoraTrainingClient({ baseModel, rank: 8 }),
      serviceB.createLoraTrainingClient({ baseModel, rank: 8 }),
      serviceA.createSamplingClient({ baseModel }),
      serviceB.createSamplingClient({ baseModel }),
    ]),
  );
  // One refusal first, so that A's gate is shut when the others arrive.
  a.tinker.faults.add({ route: "asample", kind: "status", status: 429, retryAfterSeconds: 30 });
  const refused = samplingA.sample({ prompt, samplingParams: { maxTokens: 1 } });
  await network.advance(0);
  const finished: string[] = [];
  const sixty = (name: string, sampling: typeof samplingA): readonly Promise<SampleResponse>[] =>
    Array.from({ length: 60 }, (_, seed) =>
      sampling.sample({ prompt, samplingParams: { maxTokens: 4, seed } }).then((response) => {
        finished.push(name);
        return response;
      }),
    );
  const samples = [...sixty("a", samplingA), ...sixty("b", samplingB)];
  await network.run(Promise.all([refused, ...samples, trainingRun(trainingA, 3), trainingRun(trainingB, 3)]));

  expect(finished.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => "b"));
  expect([a.engine.count("sample"), b.engine.count("sample")]).toEqual([61, 60]);
  for (const server of [a, b]) {
    expect([...historyOf(server).values()]).toEqual([
      ["forwardBackward", "optimStep", "forwardBackward", "optimStep", "forwardBackward", "optimStep"],
    ]);
  }
  expect(a.tinker.faults.pending).toBe(0);
});

test("twelve services of one tenant do everything at once through resets, lost answers and duplicates", async ({
  expect,
}) => {
  const network = new Network();
  await using server = await network.serve("shared.test");
  for (const kind of ["reset", "lost-answer", "duplicate"] as const) {
    for (const route of ["forward_backward", "optim_step", "asample", "create_model", "retrieve_future"]) {
      server.tinker.faults.add({ route, kind, times: 5, after: 3 });
    }
  }
  const services = Array.from({ length: 12 }, () => server.client());
  const work = services.map(async (service) => {
    const training = await service.createLoraTrainingClient({ baseModel });
    const sampling = await service.createSamplingClient({ baseModel });
    const samples = Array.from({ length: 10 }, (_, seed) =>
      sampling.sample({ prompt, samplingParams: { maxTokens: 2, seed } }),
    );
    await Promise.all([trainingRun(training, 4), ...samples]);
  });
  await network.run(Promise.all(work));

  const histories = [...historyOf(server).values()];
  expect(histories).toHaveLength(12);
  const expected = Array.from({ length: 4 }, () => ["forwardBackward", "optimStep"]).flat();
  for (const history of histories) expect(history).toEqual(expected);
  expect(server.engine.count("sample")).toBe(120);

  await Promise.all(services.map((service) => service.close()));
  expect(services.flatMap((service) => service.inFlight())).toEqual([]);
});

test("four thousand samples at once are all answered, each with its own result", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("busy.test", { limits: { queuedSamples: 500 } });
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  const samples = Array.from({ length: 4096 }, (_, token) =>
    sampling.sample({
      prompt: ModelInput.fromInts([token % 300, Math.floor(token / 300)]),
      samplingParams: { maxTokens: 1, seed: 1 },
    }),
  );
  const results = await network.run(Promise.all(samples));
  expect(results.every(({ sequences }) => sequences[0]?.tokens.length === 1)).toBe(true);
  expect(server.engine.count("sample")).toBe(4096);
});
