import { checkAwaitSet } from "../../../corpus/check-await-set.ts";
import { test } from "../../../src/vitest/explore-test.ts";

test.explore("a correct program", checkAwaitSet.fixed);
