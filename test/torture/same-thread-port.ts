import { ports } from './same-thread-worker.ts';

/** What `node:worker_threads` is to the writer of one start, which the query of this module's address names. */
export const parentPort = ports.get(new URL(import.meta.url).search.slice(1)) ?? null;
