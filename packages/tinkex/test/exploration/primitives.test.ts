import { test } from "vitest";
import { BackoffGate } from "../../src/concurrency/backoff-gate.ts";
import { PermitPool } from "../../src/concurrency/permit-pool.ts";
import { SingleFlight } from "../../src/concurrency/single-flight.ts";
import { SubmissionOrder } from "../../src/clients/submission-order.ts";
import { ConnectionError } from "../../src/errors.ts";
import { systemRuntime } from "../../src/runtime.ts";
import type { HttpAnswer, HttpCall } from "../../src/transport/transport.ts";
import { check } from "../support/simulated-service.ts";
import { holdsUnderEverySchedule } from "../support/holds-under-every-schedule.ts";

const runs = 400;

test("I6: whatever is aborted whenever, the limit holds and every permit comes back", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const pool = new PermitPool(2);
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    sim.always("no more than two are inside", () => pool.inUse <= 2);
    const callers = controllers.map(({ signal }, index) =>
      sim.spawn(`caller ${index}`, async () => {
        using _permit = await pool.acquire(1, signal);
        await sim.io("work");
      }),
    );
    const aborts = [1, 3].map((index) => sim.spawn(`abort ${index}`, () => controllers[index]?.abort("enough")));
    await Promise.allSettled([...callers, ...aborts]);
    check(pool.inUse === 0 && pool.waiting === 0, `${pool.inUse} in use, ${pool.waiting} waiting`);
  }));

test("I7: one load at a time for a key, and only those who gave up go without its result", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const flights = new SingleFlight<number>();
    let loading = 0;
    const load = async (signal: AbortSignal): Promise<number> => {
      loading += 1;
      // A load that was given up has no passengers; it may still be winding down beside its successor.
      signal.addEventListener("abort", () => (loading -= 1));
      await sim.io("load");
      if (!signal.aborted) loading -= 1;
      return 1;
    };
    sim.always("one load at a time", () => loading <= 1);
    const quitter = new AbortController();
    const patient = ["a", "b", "c"].map((name) => sim.spawn(name, () => flights.get("key", load)));
    const leaving = sim.spawn("quitter", () => flights.get("key", load, quitter.signal));
    const abort = sim.spawn("abort", () => quitter.abort("enough"));
    const [, , ...outcomes] = await Promise.allSettled([leaving, abort, ...patient]);
    check(
      outcomes.every(({ status }) => status === "fulfilled"),
      "a patient caller went without",
    );
    // This load does not look at its signal, so one that was given up takes its time to end.
    await sim.sleep(1000);
  }));

test("I5: nobody passes a shut gate, however pauses and arrivals interleave", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const gate = new BackoffGate(systemRuntime);
    const pauses = [300, 100].map((ms, index) =>
      sim.spawn(`pause ${index}`, async () => {
        await sim.io("refusal");
        gate.shutFor(ms);
      }),
    );
    const requests = Array.from({ length: 4 }, (_, index) =>
      sim.spawn(`request ${index}`, async () => {
        await sim.io("arrive");
        using _passage = await gate.enter(new AbortController().signal);
        check(gate.remainingMs === 0, `passed ${gate.remainingMs} ms early`);
        await sim.io("request");
      }),
    );
    await Promise.all([...pauses, ...requests]);
  }));

test("I1, I2: numbers are dense and in call order, whatever fails, is aborted or gets no answer", (context) =>
  holdsUnderEverySchedule(context, runs, async (sim) => {
    const order = new SubmissionOrder();
    const arrived: { readonly seqId: number; readonly call: number }[] = [];
    const send = async ({ path }: HttpCall): Promise<HttpAnswer> => {
      const [seqId = 0, call = 0] = path.split("/").map(Number);
      await sim.io(`send ${path}`);
      // Lost on the way there, lost on the way back, or answered.
      const fate = sim.choose(3, "fate");
      if (fate === 1) throw new ConnectionError("reset before");
      arrived.push({ seqId, call });
      if (fate === 2) throw new ConnectionError("reset after");
      return { status: 200, headers: new Headers(), body: new Uint8Array() };
    };
    const controllers = Array.from({ length: 4 }, () => new AbortController());
    const calls = controllers.map(({ signal }, call) =>
      order.submit([(seqId) => ({ method: "POST", path: `${seqId}/${call}` })], send, signal),
    );
    const abort = sim.spawn("abort", () => controllers[sim.choose(4, "victim")]?.abort("enough"));
    await Promise.allSettled([...calls, abort]);
    // An operation that was given up while it was being sent is carried through.
    await sim.sleep(5000);

    const first = new Map<number, number>();
    for (const { seqId, call } of arrived) {
      check((first.get(seqId) ?? call) === call, `number ${seqId} was used for two operations`);
      check(seqId <= first.size + 1, `number ${seqId} arrived before ${first.size + 1}`);
      first.set(seqId, call);
    }
    const inOrder = [...first.entries()].sort(([a], [b]) => a - b).map(([, call]) => call);
    check(
      inOrder.every((call, index) => call >= (inOrder[index - 1] ?? 0)),
      `order of calls: ${inOrder.join(" ")}`,
    );
  }));
