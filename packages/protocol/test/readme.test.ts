import { readFileSync } from "node:fs";
import * as protocol from "@tinkex/protocol";
import { test } from "vitest";

test("the README names everything the front door exports, and nothing else in its table", ({ expect }) => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const named = new Set(readme.match(/\b[A-Za-z]+\b/g));
  const exported = Object.keys(protocol);
  expect(exported.filter((name) => !named.has(name.replace(/^encode|^decode/, "")) && !named.has(name))).toEqual([]);
  const table = readme.split("\n").filter((line) => line.startsWith("| `"));
  const codecs = table.flatMap((line) => line.match(/\b(?:[A-Z][A-Za-z]+|(?:encode|decode)[A-Z]\w+)(?=`)/g) ?? []);
  expect(codecs.filter((name) => !exported.includes(name))).toEqual([]);
});
