// `npm run bench [-- name …]`: figures of one run on one machine. Compare within a run, not between machines.
import * as engine from "./engine.ts";
import * as exploration from "./exploration.ts";
import * as isolation from "./isolation.ts";
import * as localTinker from "./local-tinker.ts";

const benches = [engine, localTinker, isolation, exploration];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(", ")}; there are: ${benches.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
for (const bench of benches) {
  if (wanted.length > 0 && !wanted.includes(bench.name)) continue;
  console.log(`\n# ${bench.name}`);
  await bench.run();
}
