import { LinkError } from '../../agent/errors.ts';
import type { Stamp } from '../../agent/clock.ts';
import type { Observation, PointInfo } from '../../agent/reading.ts';
import { observationOf } from '../../agent/reading.ts';
import type { Driver, PollJob, Session } from '../../drivers/driver.ts';
import type { FakeClock } from './fake-clock.ts';
import { pointInfo as anyPoint } from './readings.ts';

/**
 * What a scripted session does with one poll: a value, a status, or per point either of them. `never` answers only when the signal fires,
 * `hangs` not even then; `lost` ends the link.
 */
export type Answer = number | string | Readonly<Record<string, number | string>>;

export interface SeenPoll {
  readonly at: Stamp;
  readonly points: readonly string[];
  readonly dueMs: number;
}

/** A driver for tests of whoever owns slots and links: no protocol, only what the test says. Takes `answerMs` of the clock per poll. */
export class ScriptedDriver implements Driver {
  answer: (job: PollJob, nth: number) => Answer = () => 1;
  /** null: opens; a text: fails with it; `hangs`: waits for the signal. */
  opening: () => string | null = () => null;
  answerMs = 0;
  readonly polls: SeenPoll[] = [];
  opens = 0;
  openNow = 0;
  closes = 0;
  mostOpenAtOnce = 0;
  #live: { end: (error: Error | undefined) => void } | null = null;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** The link goes, as seen from outside a poll. */
  dropLink(message = 'connection reset'): void {
    this.#live?.end(new LinkError(message));
  }

  async open(_plan: unknown, _host: unknown, signal: AbortSignal): Promise<Session> {
    this.opens++;
    const trouble = this.opening();
    if (trouble === 'hangs') await firing(signal);
    else if (trouble !== null) throw new LinkError(trouble);
    return this.#session();
  }

  #session(): Session {
    const { promise: ended, resolve: end } = Promise.withResolvers<Error | undefined>();
    const closed = new AbortController();
    const live = {
      end: (error: Error | undefined): void => {
        if (closed.signal.aborted) return;
        this.openNow--;
        closed.abort(error ?? new LinkError('session closed'));
        end(error);
      },
    };
    this.#live = live;
    this.openNow++;
    this.mostOpenAtOnce = Math.max(this.mostOpenAtOnce, this.openNow);
    return {
      ended,
      close: () => {
        this.closes++;
        return Promise.resolve(live.end(undefined));
      },
      poll: (job, signal) => Promise.race([this.#poll(job, signal, live.end), firing(closed.signal)]),
    };
  }

  async #poll(job: PollJob, signal: AbortSignal, end: (error: Error) => void): Promise<Observation[]> {
    this.polls.push({
      at: this.#clock.now(),
      points: job.points.map((point) => point.point),
      dueMs: job.dueMs,
    });
    const answer = this.answer(job, this.polls.length);
    if (this.answerMs > 0) await this.#clock.sleep(this.answerMs, signal).catch(() => {});
    if (answer === 'hangs') return new Promise(() => {});
    const partly = typeof answer === 'object' && Object.values(answer).includes('never');
    if (answer === 'never' || partly) await firing(signal).catch(() => {});
    if (answer === 'lost') {
      const error = new LinkError('connection reset');
      end(error);
      throw error;
    }
    const at = this.#clock.now();
    return job.points.map((point) => {
      const own = typeof answer === 'object' ? answer[point.point] : signal.aborted ? 'never' : answer;
      return observation(point, at, own === undefined || own === 'never' ? 'BadTimeout' : own);
    });
  }
}

/** Never resolves; rejects with the signal's reason. */
function firing(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fire = (): void => reject(signal.reason as Error);
    if (signal.aborted) fire();
    else signal.addEventListener('abort', fire, { once: true });
  });
}

/** A number: that value, good. A text: that status. */
export function observation(point: PointInfo, at: Stamp, answer: number | string): Observation {
  const value = typeof answer === 'number' ? answer : null;
  const status = typeof answer === 'number' ? 'Good' : answer;
  const quality = typeof answer === 'number' ? 'good' : status.startsWith('Uncertain') ? 'uncertain' : 'bad';
  return observationOf(point, at, { value, text: null, quality, status });
}

export function pointInfo(point: string, kind: PointInfo['kind'] = 'gauge', device = 'EM-1'): PointInfo {
  return anyPoint({ point, kind, device, unit: null, stream: kind === 'counter' ? 'meter-readings' : 'sensor-values' });
}
