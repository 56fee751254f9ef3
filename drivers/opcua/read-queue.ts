import { LinkError } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import { Ending } from './ending.ts';
import { observeRead } from './observe.ts';
import type { OpcUaPoint } from './plan.ts';
import { ServiceFault } from './service-fault.ts';
import type { Target, Wire } from './wire.ts';

/** A point and where this server has it; null: nowhere. */
export interface Found {
  readonly point: OpcUaPoint;
  readonly target: Target | null;
}

interface Job {
  readonly dueMs: number;
  readonly order: number;
  readonly found: readonly Found[];
  readonly seen: (Observation | null)[];
  readonly done: () => void;
  next: number;
}

interface Options {
  readonly wire: Wire;
  readonly host: DriverHost;
  readonly timeoutMs: number;
  /** With what the server says of it. */
  readonly complete: (point: OpcUaPoint) => OpcUaPoint;
  /** A request was answered, or was not in time. */
  readonly heard: () => void;
  readonly silent: () => void;
}

/** Reads that wait for their turn: soonest due first, what waits together is asked together. One request at a time. */
export class ReadQueue {
  readonly #options: Options;
  readonly #jobs = new Set<Job>();
  readonly #end = new Ending(new LinkError('the session was closed'));
  #count = 0;
  #running = false;

  constructor(options: Options) {
    this.#options = options;
    void options.wire.ended.then((error) => this.#end.end(error));
  }

  /** One observation for each, in order, at the latest when `signal` fires. Rejects when the link is lost. */
  async read(found: readonly Found[], dueMs: number, signal: AbortSignal): Promise<Observation[]> {
    const { host } = this.#options;
    const finished = Promise.withResolvers<void>();
    const job: Job = {
      dueMs,
      order: this.#count++,
      found,
      seen: found.map(() => null),
      done: finished.resolve,
      next: 0,
    };
    signal.addEventListener('abort', job.done, { once: true });
    if (signal.aborted || found.length === 0) job.done();
    else {
      this.#jobs.add(job);
      void this.#serve();
    }
    try {
      await this.#end.before(finished.promise);
    } finally {
      this.#jobs.delete(job);
      signal.removeEventListener('abort', job.done);
    }
    const at = host.clock.now();
    return found.map(({ point }, index) => job.seen[index] ?? unanswered(point.info, 'BadTimeout', at));
  }

  async #serve(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      // What is asked in the same turn of the loop goes into the same request.
      await Promise.resolve();
      while (this.#jobs.size > 0) await this.#ask();
    } catch {
      // The link is lost: whoever waits is told by its end.
    } finally {
      this.#running = false;
    }
  }

  async #ask(): Promise<void> {
    const { wire, host, timeoutMs, complete } = this.#options;
    const batch = this.#batch();
    const asked = host.clock.now();
    const deadline = new AbortController();
    const late = new AbortController();
    host.clock.sleep(timeoutMs, deadline.signal).then(
      () => late.abort(new Error(`no answer within ${timeoutMs} ms`)),
      () => {},
    );
    try {
      const values = await wire.read(
        batch.map(({ target }) => target),
        late.signal,
      );
      const at = host.clock.now();
      this.#options.heard();
      for (const [index, { job, at: place, point }] of batch.entries()) {
        const seen = values[index];
        job.seen[place] =
          seen === undefined
            ? unanswered(point.info, 'BadUnexpectedError', at)
            : observeRead(complete(point), seen, asked, at);
      }
    } catch (error) {
      const fault = error instanceof ServiceFault ? error.status : null;
      if (fault === null && !late.signal.aborted) throw error;
      const at = host.clock.now();
      for (const { job, at: place, point } of batch)
        job.seen[place] = unanswered(point.info, fault ?? 'BadTimeout', at);
      if (fault === null) this.#options.silent();
      else this.#options.heard();
    } finally {
      deadline.abort(null);
    }
    this.#finish();
  }

  /** As many points as one request may hold, of those due soonest. */
  #batch(): { job: Job; at: number; point: OpcUaPoint; target: Target }[] {
    const batch: { job: Job; at: number; point: OpcUaPoint; target: Target }[] = [];
    const now = this.#options.host.clock.now();
    for (const job of [...this.#jobs].toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order)) {
      while (job.next < job.found.length && batch.length < this.#options.wire.mostReads) {
        const at = job.next++;
        const { point, target } = job.found[at] as Found;
        if (target === null) job.seen[at] = unanswered(point.info, 'BadNodeIdUnknown', now);
        else batch.push({ job, at, point, target });
      }
    }
    return batch;
  }

  #finish(): void {
    for (const job of this.#jobs) {
      if (job.next < job.found.length || job.seen.includes(null)) continue;
      this.#jobs.delete(job);
      job.done();
    }
  }
}
