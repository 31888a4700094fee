import { configure } from "supertester/vitest";

configure({ channels: ["configured"] });
