// Runs before `npm start`, `npm test`, `npm run bench` and `npm run check:pack`, on whatever Node the machine has (20 or
// newer), before anything is installed. So: Node built-ins only, and no syntax newer than Node 20.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const minimum = [22, 18];

const lock = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
const stamp = join(root, "node_modules", ".tinkex-installed");
const installed = existsSync(stamp) && readFileSync(stamp, "utf8") === lock;

if (!installed) {
  console.log("Installing dependencies (once per change of package-lock.json): npm ci");
  // npm sets npm_config_* and npm_lifecycle_* for the script that called us; the inner npm must read its own files afresh.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  env.ONNXRUNTIME_NODE_INSTALL = "skip"; // its post-install fetches GPU libraries only; the CPU ones are in the package
  const { status } = spawnSync("npm", ["ci", "--loglevel=error"], {
    cwd: root,
    stdio: "inherit",
    env,
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error("npm ci failed; the lines above say why. Nothing else was changed.");
    process.exit(status ?? 1);
  }
  writeFileSync(stamp, lock);
}

// npm scripts run on the Node in node_modules/.bin where it could be installed, else on the one on the path.
const pinned = join(root, "node_modules", ".bin", "node");
const version = execFileSync(existsSync(pinned) ? pinned : "node", ["--version"], { encoding: "utf8" }).trim();
const [major = 0, minor = 0] = version.slice(1).split(".").map(Number);
if (major < minimum[0] || (major === minimum[0] && minor < minimum[1])) {
  console.error(
    `This repository needs Node ${minimum.join(".")} or newer and found ${version}. The pinned one (the optional dependency "node") ` +
      "is not available for this platform: install a newer Node and run the command again.",
  );
  process.exit(1);
}
