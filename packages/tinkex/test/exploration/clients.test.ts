import { test } from "vitest";
import { ClosedError, ModelInput, TinkerError } from "../../src/index.ts";
import { baseModel, check, datum, quiet, simulatedService, trainingEffects } from "../support/simulated-service.ts";
import { holdsUnderEverySchedule } from "../support/holds-under-every-schedule.ts";

const runs = 60;
const prompt = ModelInput.fromInts([1, 2, 3]);

test("I1, I3: pipelined training takes effect in call order, each operation once, whatever the network does", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const { engine, service } = simulatedService(sim, {
      allow: ["reset-before", "reset-after", "duplicate"],
      max: 2,
    });
    const training = await service.createLoraTrainingClient({ baseModel });
    await Promise.all([
      training.forwardBackward([datum], "cross_entropy"),
      training.optimStep(),
      training.forwardBackward([datum], "cross_entropy"),
      training.optimStep(),
    ]);
    await service.close();
    await quiet(sim);
    const effects = trainingEffects(engine).join(" ");
    check(effects === "forwardBackward optimStep forwardBackward optimStep", `effects: ${effects}`);
  }));

test("I2: aborting any operation at any moment never blocks a later one", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const { engine, service } = simulatedService(sim, { allow: ["reset-before"], max: 1 });
    const training = await service.createLoraTrainingClient({ baseModel });
    const futures = [training.forwardBackward([datum], "cross_entropy"), training.optimStep(), training.optimStep()];
    const victim = futures[sim.choose(3, "victim")];
    const aborting = sim.spawn("abort", () => victim?.abort(new Error("enough")));
    await Promise.allSettled([...futures, aborting]);
    await training.optimStep();
    await service.close();
    await quiet(sim);
    check(trainingEffects(engine).at(-1) === "optimStep", "the last operation did not take effect");
  }));

test("I3, I5, I6: samples through refusals and lost answers are all answered, each computed once", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const faults = {
      allow: ["reset-after", { status: 429, retryAfter: 2 }, { status: 503 }, { clockJump: -3_600_000 }] as const,
      max: 2,
    };
    const { engine, service, client } = simulatedService(sim, { allow: [...faults.allow], max: faults.max });
    const other = client();
    const ask = async (from: typeof service, name: string): Promise<void> => {
      const sampling = await from.createSamplingClient({ baseModel });
      await Promise.all(
        [1, 2].map((seed) =>
          sim.spawn(`${name}${seed}`, () => sampling.sample({ prompt, samplingParams: { maxTokens: 1, seed } })),
        ),
      );
    };
    await Promise.all([ask(service, "a"), ask(other, "b")]);
    await Promise.all([service.close(), other.close()]);
    await quiet(sim);
    check(engine.count("sample") === 4, `${engine.count("sample")} samples were computed`);
  }));

test("I7: callers that come, share and give up in any order create one session at a time", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const { service } = simulatedService(sim);
    const impatient = new AbortController();
    const callers = [
      sim.spawn("impatient", () => service.createSamplingClient({ baseModel }, { signal: impatient.signal })),
      sim.spawn("patient", () => service.createSamplingClient({ baseModel })),
    ];
    const aborting = sim.spawn("abort", () => impatient.abort("enough"));
    const [first, second] = await Promise.allSettled(callers);
    await aborting;
    check(second?.status === "fulfilled", "the patient caller failed");
    check(first?.status === "fulfilled" || first?.reason === "enough", "the impatient caller got another error");
    await service.close();
    await quiet(sim);
  }));

test("I8, I9: closed or cut at any moment, every call settles and nothing is left behind", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const { service } = simulatedService(sim);
    const work = sim.spawn("work", async () => {
      const training = await service.createLoraTrainingClient({ baseModel });
      const pass = training.forwardBackward([datum], "cross_entropy");
      const sampling = training.saveWeightsAndGetSamplingClient();
      await Promise.all([pass, training.optimStep(), sampling]);
      await (await sampling).sample({ prompt, samplingParams: { maxTokens: 1 } });
    });
    const ending = sim.spawn("end", async () => {
      if (sim.choose(2, "how") === 0) await Promise.all([service.close(), service.close()]);
      else await service.destroy();
    });
    const [outcome] = await Promise.allSettled([work, ending]);
    check(
      outcome.status === "fulfilled" || outcome.reason instanceof ClosedError,
      `ended with ${String(TinkerError.isInstance(outcome.status === "rejected" && outcome.reason))}`,
    );
    check(service.inFlight().length === 0, "a call is still in flight");
    // The kernel fails the run if a timer or request of the client outlives this.
    await sim.sleep(0);
  }));
