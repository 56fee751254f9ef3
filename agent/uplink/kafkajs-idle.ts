import { createRequire } from 'node:module';

interface RequestQueue {
  pending: readonly unknown[];
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}
interface RequestQueueClass {
  prototype: RequestQueue;
}

const mended = Symbol('sluice: no timer while nothing is pending');

/**
 * The request queue of kafkajs 2.2.4 arms its timer again whenever it fires, with a delay that is negative when nothing is throttled:
 * 1 ms, for ever, on every connection (4 % of a core while idle; kafkajs issue 1751). A queue in which nothing waits needs no timer:
 * every push that cannot be sent at once, throttled ones too, arms it again.
 */
export function mendIdleTimer(): void {
  const load = createRequire(import.meta.url);
  const { prototype } = load('kafkajs/src/network/requestQueue') as RequestQueueClass;
  if (mended in prototype) return;
  const arm = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function scheduleWhenNeeded(this: RequestQueue): void {
    if (this.pending.length > 0) arm.call(this);
  };
  Object.defineProperty(prototype, mended, { value: true });
}
