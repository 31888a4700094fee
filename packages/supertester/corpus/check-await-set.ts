import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

type Load = () => Promise<string>;

/** `??=` looks at the left side before the await and assigns after it. */
function rememberValue(load: Load): Load {
  let token: string | undefined;
  return async () => (token ??= await load());
}

function rememberPromise(load: Load): Load {
  let token: Promise<string> | undefined;
  return () => (token ??= load());
}

const program =
  (remember: (load: Load) => Load): SimBody =>
  async (sim) => {
    let loads = 0;
    sim.http("auth.test", () => ({ json: { token: `t${++loads}` } }));
    const token = remember(async () => {
      const response = await fetch("http://auth.test/token");
      return ((await response.json()) as { token: string }).token;
    });
    const late = sim.sleep(20).then(() => sim.spawn("B", token));
    await Promise.all([sim.spawn("A", token), late]);
    if (loads !== 1) throw new Error(`the token was loaded ${loads} times`);
  };

export const checkAwaitSet: Bug = {
  name: "check-await-set",
  pattern: "a lazily loaded token is loaded again by whoever asks while the first load is under way",
  kind: "assertion",
  buggy: program(rememberValue),
  fixed: program(rememberPromise),
};
