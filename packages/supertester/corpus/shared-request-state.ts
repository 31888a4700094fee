import type { HttpApplication, Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** A server that says who is asking, after it has looked that up. */
type Server = (sim: Sim) => HttpApplication;

const onTheApplication: Server = (sim) => {
  const app = { user: "" };
  return {
    async fetch(request) {
      app.user = request.headers.get("authorization") ?? "nobody";
      await sim.io("load profile");
      return new Response(app.user);
    },
  };
};

const onTheRequest: Server = (sim) => ({
  async fetch(request) {
    const user = request.headers.get("authorization") ?? "nobody";
    await sim.io("load profile");
    return new Response(user);
  },
});

const program =
  (server: Server): SimBody =>
  async (sim) => {
    sim.http("app.test", server(sim));
    const visit = (user: string) => async () => {
      const response = await fetch("http://app.test/me", { headers: { authorization: user } });
      const answer = await response.text();
      if (answer !== user) throw new Error(`${user} was greeted as ${answer}`);
    };
    const later = sim.sleep(30).then(() => sim.spawn("Bob", visit("Bob")));
    await Promise.all([sim.spawn("Ann", visit("Ann")), later]);
  };

export const sharedRequestState: Bug = {
  name: "shared-request-state",
  pattern: "what belongs to one request is kept on an object that all requests share",
  kind: "assertion",
  buggy: program(onTheApplication),
  fixed: program(onTheRequest),
};
