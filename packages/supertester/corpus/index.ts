import type { Bug } from "./bug.ts";
import { abortLeak } from "./abort-leak.ts";
import { batchSentTwice } from "./batch-sent-twice.ts";
import { checkAwaitSet } from "./check-await-set.ts";
import { closeBeforeFlush } from "./close-before-flush.ts";
import { debounceAfterUnmount } from "./debounce-after-unmount.ts";
import { destroyedDuringPipe } from "./destroyed-during-pipe.ts";
import { doubleRelease } from "./double-release.ts";
import { eventBeforeListener } from "./event-before-listener.ts";
import { evictedInUse } from "./evicted-in-use.ts";
import { heartbeatDuringStartUp } from "./heartbeat-during-start-up.ts";
import { indexNotAwaited } from "./index-not-awaited.ts";
import { leaseExpiry } from "./lease-expiry.ts";
import { lostUpdate } from "./lost-update.ts";
import { lostWakeUp } from "./lost-wake-up.ts";
import { narrowWindow } from "./narrow-window.ts";
import { oppositeLocks } from "./opposite-locks.ts";
import { orderingOfFive } from "./ordering-of-five.ts";
import { outOfOrderIds } from "./out-of-order-ids.ts";
import { permitToAbortedWaiter } from "./permit-to-aborted-waiter.ts";
import { portPickedEarly } from "./port-picked-early.ts";
import { reconnectDuringClose } from "./reconnect-during-close.ts";
import { refreshStampede } from "./refresh-stampede.ts";
import { rejectionBeforeHandler } from "./rejection-before-handler.ts";
import { retryAfterCommit } from "./retry-after-commit.ts";
import { sharedBackOff } from "./shared-back-off.ts";
import { sharedRequestState } from "./shared-request-state.ts";
import { snapshotThenSubscribe } from "./snapshot-then-subscribe.ts";
import { staleResponse } from "./stale-response.ts";
import { timeoutVersusResponse } from "./timeout-versus-response.ts";
import { unsubscribeDuringEmit } from "./unsubscribe-during-emit.ts";

export type { Bug } from "./bug.ts";

/** Every bug, in the order of their names. */
export const bugs: readonly Bug[] = [
  abortLeak,
  batchSentTwice,
  checkAwaitSet,
  closeBeforeFlush,
  debounceAfterUnmount,
  destroyedDuringPipe,
  doubleRelease,
  eventBeforeListener,
  evictedInUse,
  heartbeatDuringStartUp,
  indexNotAwaited,
  leaseExpiry,
  lostUpdate,
  lostWakeUp,
  narrowWindow,
  oppositeLocks,
  orderingOfFive,
  outOfOrderIds,
  permitToAbortedWaiter,
  portPickedEarly,
  reconnectDuringClose,
  refreshStampede,
  rejectionBeforeHandler,
  retryAfterCommit,
  sharedBackOff,
  sharedRequestState,
  snapshotThenSubscribe,
  staleResponse,
  timeoutVersusResponse,
  unsubscribeDuringEmit,
];
