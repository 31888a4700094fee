import { getEventListeners } from "node:events";
import { test } from "vitest";
import { SingleFlight } from "../../src/concurrency/single-flight.ts";
import { gate, isPending, settle } from "../support/virtual-runtime.ts";

test("fifty callers share one load and get the same object", async ({ expect }) => {
  const flights = new SingleFlight<object>();
  const loaded = gate<object>();
  let loads = 0;
  const load = (): Promise<object> => {
    loads += 1;
    return loaded.promise;
  };
  const callers = Array.from({ length: 50 }, () => flights.get("key", load));
  await settle();
  loaded.resolve({});
  const results = await Promise.all(callers);
  expect(new Set(results).size).toBe(1);
  expect(loads).toBe(1);
});

test("a failure reaches everyone who waited, and is then forgotten", async ({ expect }) => {
  const flights = new SingleFlight<string>();
  const failing = gate<string>();
  const callers = Array.from({ length: 50 }, () => flights.get("key", () => failing.promise));
  const error = new Error("no network");
  failing.reject(error);
  const outcomes = await Promise.allSettled(callers);
  expect(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason === error)).toBe(true);
  expect(flights.size).toBe(0);
  await expect(flights.get("key", () => Promise.resolve("second try"))).resolves.toBe("second try");
});

test("a caller that aborts leaves alone; the load goes on for the others", async ({ expect }) => {
  const flights = new SingleFlight<string>();
  const loaded = gate<string>();
  const impatient = new AbortController();
  let loadSignal: AbortSignal | undefined;
  const load = (signal: AbortSignal): Promise<string> => {
    loadSignal = signal;
    return loaded.promise;
  };
  const first = flights.get("key", load, impatient.signal);
  const second = flights.get("key", load, new AbortController().signal);
  await settle();
  impatient.abort("enough");
  await expect(first).rejects.toBe("enough");
  expect(await isPending(second)).toBe(true);
  expect(loadSignal?.aborted).toBe(false);
  loaded.resolve("value");
  await expect(second).resolves.toBe("value");
  expect(getEventListeners(impatient.signal, "abort")).toHaveLength(0);
});

test("when the last caller has left, the load is aborted and the next caller starts afresh", async ({ expect }) => {
  const flights = new SingleFlight<string>();
  const controllers = [new AbortController(), new AbortController()];
  let loadSignal: AbortSignal | undefined;
  const load = (signal: AbortSignal): Promise<string> => {
    loadSignal = signal;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const callers = controllers.map(({ signal }) => flights.get("key", load, signal));
  await settle();
  for (const controller of controllers) controller.abort("left");
  await Promise.allSettled(callers);
  expect(loadSignal?.aborted).toBe(true);
  await expect(flights.get("key", () => Promise.resolve("fresh"))).resolves.toBe("fresh");
});

test("different keys do not share an entry, and a load that throws at once is a rejection", async ({ expect }) => {
  const flights = new SingleFlight<string>();
  const throwing = flights.get("a", () => {
    throw new Error("at once");
  });
  await expect(throwing).rejects.toThrow("at once");
  await expect(flights.get("b", () => Promise.resolve("b"))).resolves.toBe("b");
});
