import type { Clock } from '../../agent/clock.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { PollJob } from '../driver.ts';
import { isLate, silenceWeight } from './line-order.ts';
import type { Waiting } from './line-order.ts';
import type { Outcome } from './link.ts';
import { observed, seenOf } from './observe.ts';
import type { ReadyPoint, Seen } from './observe.ts';
import type { Block } from './plan-reads.ts';
import { meansSilence } from './protocol.ts';
import type { Table } from './protocol.ts';
import { blocksOf, hasCounter, limitsOf, stepsOf, takeStep } from './ready-device.ts';
import type { ReadyDevice, Step } from './ready-device.ts';

/** One call of `poll`, until it is settled: what is left to ask, what came, and what that means for the device and for the rest. */
export class Call implements Waiting {
  readonly device: ReadyDevice;
  readonly dueMs: number;
  readonly turn: number;
  readonly result: Promise<Observation[]>;
  spentMs: number;
  isCounter: boolean;
  /** A request of it is on its way. */
  isAsking = false;
  readonly #job: PollJob;
  readonly #clock: Clock;
  readonly #resolve: (seen: Observation[]) => void;
  readonly #reject: (error: Error) => void;
  /** What came of the requests, by name of the point; also of points that are only needed for others. */
  readonly #seen = new Map<string, Seen>();
  /** Tables of which the device said once that it does not know them. */
  readonly #unsupported = new Set<Table>();
  /** Requests still to be made. */
  #left: Step[];
  #wasSilent = false;
  #settled = false;

  constructor(job: PollJob, device: ReadyDevice, dueMs: number, clock: Clock) {
    this.device = device;
    this.dueMs = dueMs;
    this.turn = device.turn;
    this.#job = job;
    this.#clock = clock;
    this.#left = stepsOf(device.memory.readable(blocksOf(device, job.points), clock.now().bootMs));
    this.isCounter = hasCounter(this.#left);
    const firstMs = this.#left[0] === undefined ? 0 : limitsOf(this.#left[0].block).timeoutMs;
    this.spentMs = device.liveness.failures * firstMs * silenceWeight;
    const { promise, resolve, reject } = Promise.withResolvers<Observation[]>();
    this.result = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Tables that the device refused as such, and never answered a read of. */
  get unknownTables(): Table[] {
    return [...this.#unsupported].filter((table) => !this.device.memory.hasAnswered(table));
  }

  /** Nothing was asked yet. */
  get isUntouched(): boolean {
    return this.#seen.size === 0 && !this.isAsking;
  }

  /** Its next request is likely to stay unanswered too. */
  get isDoubtful(): boolean {
    return this.#wasSilent || this.device.liveness.failures > 0;
  }

  /** The next request, which the caller makes; undefined: there is none, and the call is settled. */
  take(): Step | undefined {
    const step = takeStep(this.#left, isLate(this, this.#clock.now().bootMs));
    if (step === undefined) this.settle('BadConfigurationError');
    return step;
  }

  /** What an outcome means for the device and for the rest of the call. `tookMs`: of the line. Whether the device's cycle ended in silence. */
  heard(step: Step, outcome: Outcome, { tookMs, isOpen }: { tookMs: number; isOpen: boolean }): boolean {
    const { memory, liveness } = this.device;
    const { block, triesLeft } = step;
    const nowMs = this.#clock.now().bootMs;
    const isSilent = isSilence(outcome);
    this.spentMs += tookMs * (isSilent ? silenceWeight : 1);
    this.#wasSilent = isSilent;
    if (!isSilent && outcome.kind !== 'damaged') liveness.answered();
    const isBusy = outcome.kind === 'exception' && (outcome.code === 5 || outcome.code === 6);
    if ((isSilent || isBusy || (outcome.kind === 'damaged' && isOpen)) && triesLeft > 0 && !this.#settled) {
      // Who is busy (06), or still at it (05), is asked for the rest first.
      this.#left.splice(isBusy ? this.#left.length : 0, 0, { ...step, triesLeft: triesLeft - 1 });
      return false;
    }
    this.#note(block, outcome);
    if (isSilent) {
      memory.silent(block);
      liveness.failed(nowMs);
      this.settle('BadNoCommunication');
    } else if (outcome.kind === 'damaged') this.settle('BadNoCommunication');
    else if (outcome.kind === 'exception') this.#refused(block, outcome, nowMs);
    else memory.answered(block, nowMs);
    this.isCounter = hasCounter(this.#left);
    if (this.#left.length === 0) this.settle('BadConfigurationError');
    return isSilent;
  }

  fail(error: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#reject(error);
  }

  /** Resolves the call; points that nobody saw get `status`. */
  settle(status: string): void {
    if (this.#settled) return;
    this.#settled = true;
    const at = this.#clock.now();
    const { points } = this.device;
    const seen = this.#job.points.map((info) => {
      const point = points.get(info.point);
      const found = point === undefined ? undefined : observed(point, this.#seen, points);
      return found ?? unanswered(info, status, at);
    });
    this.#resolve(seen);
  }

  #refused(block: Block<ReadyPoint>, outcome: Outcome & { kind: 'exception' }, nowMs: number): void {
    const { memory } = this.device;
    if (outcome.code === 1 && !memory.hasAnswered(block.table)) {
      // One block may have the wrong address, with a device that calls that so; two of them condemn the table.
      if (!this.#unsupported.has(block.table)) {
        this.#unsupported.add(block.table);
        return;
      }
      for (const step of this.#left) if (step.block.table === block.table) this.#note(step.block, outcome);
      this.#left = this.#left.filter((step) => step.block.table !== block.table);
    } else if (outcome.code >= 1 && outcome.code <= 3) {
      this.#left.unshift(...stepsOf(memory.refused(block, outcome.code, nowMs)));
    }
  }

  /** Keeps what the outcome says about the points of the block. */
  #note(block: Block<ReadyPoint>, outcome: Outcome): void {
    for (const point of block.points) this.#seen.set(point.info.point, seenOf(point, block.address, outcome));
  }
}

/** Nobody answered, or a gateway says that its device did not. */
export function isSilence(outcome: Outcome): boolean {
  return outcome.kind === 'silence' || (outcome.kind === 'exception' && meansSilence(outcome.code));
}
