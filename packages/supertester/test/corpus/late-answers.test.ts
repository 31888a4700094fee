import { test } from "vitest";
import { explore, type SimBody } from "../../src/index.ts";

test("an answer is early or late also for I/O that takes its time, not only for timers", async ({ expect }) => {
  // Fails when the keystroke comes at 51 to 100 ms and the page is left before the save, 50 ms later.
  const body: SimBody = async (sim) => {
    let hasLeft = false;
    const save = () => {
      if (hasLeft) throw new Error("saved after the page was left");
    };
    const type = sim.io("keystroke", () => void (hasLeft || setTimeout(save, 50)));
    const leave = sim.io("leave", () => void (hasLeft = true), { latency: [100, 300] });
    await Promise.all([type, leave]);
    await sim.sleep(100);
  };
  await expect(explore(body)).rejects.toThrow("saved after the page was left");
});
