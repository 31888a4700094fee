// Prints one line: a digest of the events of many runs. Run by plain Node, of whatever version, for comparison.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { hashText } from "../../src/world/seeded-random.ts";
import { RandomWalk } from "../../src/exploration/random-walk.ts";
import { runSettings } from "../../src/simulation/options.ts";
import { inControl, runSchedule, type SimBody } from "../../src/simulation/simulate.ts";
import { SeededRandom } from "../../src/world/seeded-random.ts";

/** Timers, streams, HTTP by `fetch` and by sockets, randomness and three tasks. */
export const everything: SimBody<string> = async (sim) => {
  const log: string[] = [];
  sim.http("app.test", {
    fetch: async (request) => {
      await sleep(3 * Math.random());
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await sleep(5);
            controller.enqueue(new TextEncoder().encode(request.url));
            controller.close();
          },
        }),
      );
    },
  });
  const server = createServer((request, response) => void sleep(2).then(() => response.end(request.url)));
  await new Promise<void>((resolve) => {
    server.listen(0, resolve);
  });
  const { port } = server.address() as AddressInfo;
  sim.http("sockets.test", () => ({ json: { port } }));
  await Promise.all(
    ["A", "B", "C"].map((name) =>
      sim.spawn(name, async () => {
        for (let round = 0; round < 3; round++) {
          const response = await fetch(`http://app.test/${name}/${round}`, {
            method: "POST",
            body: crypto.randomUUID(),
          });
          log.push(`${name} ${await response.text()} at ${Date.now()}`);
          await Promise.race([sleep(10 * Math.random()), sim.io("work")]);
          setImmediate(() => log.push(`${name} immediate`));
          await new Promise((resolve) => {
            process.nextTick(resolve);
          });
        }
        log.push(JSON.stringify(await (await fetch("http://sockets.test/")).json()));
      }),
    ),
  );
  server.close();
  return log.join("\n");
};

/** One digest over `runs` random schedules. */
export async function digest(runs: number, driver: "auto" | "turn" = "auto"): Promise<string> {
  const parts: string[] = [];
  for (let seed = 0; seed < runs; seed++) {
    const settings = runSettings({ seed, driver, leaks: "ignore" });
    const { chooser } = new RandomWalk(new SeededRandom(seed)).next();
    const outcome = await inControl(settings, () => runSchedule(everything, settings, chooser));
    parts.push(`${outcome.hash} ${outcome.value ?? String(outcome.failure?.error)}`);
  }
  return `${hashText(parts.join("\n")).toString(16)} ${new Set(parts).size}`;
}

if (process.argv[1] === import.meta.filename) console.log(await digest(Number(process.argv[2] ?? 200)));
