import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation, PointInfo } from '../../agent/reading.ts';
import type { DriverHost, PollJob, Session } from '../driver.ts';
import { observed, readyPoints, seenOf, withHelpers } from './observe.ts';
import type { ReadyPoint, ReadyPoints, Seen } from './observe.ts';
import type { ModbusDevice, ModbusPlan } from './plan.ts';
import { planReads } from './plan-reads.ts';
import type { Block } from './plan-reads.ts';
import { meansSilence } from './protocol.ts';
import type { Link, Outcome } from './link.ts';

interface ReadyDevice {
  readonly id: string;
  readonly unitId: number;
  readonly points: ReadyPoints;
  /** Requests for the sets of points that were asked for lately. */
  readonly known: { readonly asked: readonly PointInfo[]; readonly blocks: Block<ReadyPoint>[] }[];
}

/** One call of `poll`, until it is settled. */
interface Call {
  readonly job: PollJob;
  readonly signal: AbortSignal;
  readonly dueMs: number;
  /** What came of the requests, by name of the point; also of points that are only needed for others. */
  readonly seen: Map<string, Seen>;
  settled: boolean;
  readonly resolve: (seen: Observation[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One line, one request at a time: calls wait in a queue, the soonest due is served first and whole, of equals the one that waits longest.
 * Nobody starves: whoever was served comes back with a later due time, and a call given up before its turn leaves its place to the device's next one.
 */
export class ModbusSession implements Session {
  readonly ended: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #devices: ReadonlyMap<string, ReadyDevice>;
  readonly #stopped = new AbortController();
  /** Devices that fell silent, with all that had been heard on the socket by then. */
  readonly #silentSince = new Map<string, number>();
  /** Devices whose call was given up before its turn, with when it was due. */
  readonly #places = new Map<string, number>();
  #queue: Call[] = [];
  #serving = false;
  #quietUntilMs = 0;

  constructor(plan: ModbusPlan, link: Link, { clock, everyRaw = false }: DriverHost) {
    this.#link = link;
    this.#clock = clock;
    this.#devices = new Map(plan.devices.map((device) => [device.id, readyDevice(device, everyRaw)]));
    this.ended = link.ended.then((error) => {
      this.#stopped.abort(error ?? new LinkError(`${plan.connection}: the connection was closed`));
      return error;
    });
  }

  poll(job: PollJob, signal: AbortSignal): Promise<Observation[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Observation[]>();
    const dueMs = Math.min(job.dueMs, this.#places.get(job.device) ?? Infinity);
    const call: Call = { job, signal, dueMs, seen: new Map(), settled: false, resolve, reject };
    const giveUp = (): void => {
      if (this.#queue.includes(call)) this.#places.set(job.device, dueMs);
      this.#settle(call, 'BadTimeout');
    };
    if (signal.aborted) {
      giveUp();
      return promise;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    this.#queue.push(call);
    void this.#serve();
    return promise.finally(() => {
      signal.removeEventListener('abort', giveUp);
    });
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.ended;
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    // Calls made in one turn compete: the order of the calls says nothing, `dueMs` does.
    await Promise.resolve();
    for (;;) {
      this.#queue = this.#queue.filter((call) => !call.settled).toSorted((a, b) => a.dueMs - b.dueMs);
      const call = this.#queue.shift();
      if (call === undefined) break;
      this.#places.delete(call.job.device);
      try {
        await this.#pollNow(call);
      } catch (error) {
        call.settled = true;
        call.reject(error as Error);
      }
    }
    this.#serving = false;
  }

  async #pollNow(call: Call): Promise<void> {
    const device = this.#devices.get(call.job.device);
    if (device === undefined) {
      this.#settle(call, 'BadConfigurationError');
      return;
    }
    for (const block of blocksOf(device, call.job.points)) {
      const outcome = await this.#ask(device.unitId, block, call);
      if (call.settled) return;
      note(call, block, outcome);
      if (isSilence(outcome)) {
        this.#settle(call, 'BadNoCommunication');
        this.#suspect(device.id);
        return;
      }
      if (outcome.kind === 'damaged') {
        this.#settle(call, 'BadNoCommunication');
        return;
      }
    }
    this.#settle(call, 'BadConfigurationError');
  }

  /** One request with its retries. */
  async #ask(unitId: number, block: Block<ReadyPoint>, call: Call): Promise<Outcome> {
    const limits = block.points[0];
    if (limits === undefined) throw new Error('a block without points');
    for (let left = limits.retries; ; left--) {
      await this.#rest();
      const outcome = await this.#link.request({ unitId, ...block }, limits.timeoutMs);
      this.#quietUntilMs = this.#clock.now().bootMs + limits.pauseMs;
      const isWorthAnother = isSilence(outcome) || (outcome.kind === 'damaged' && this.#link.isOpen);
      if (!isWorthAnother || left <= 0 || call.settled) return outcome;
    }
  }

  async #rest(): Promise<void> {
    const waitMs = this.#quietUntilMs - this.#clock.now().bootMs;
    if (waitMs > 0) await this.#clock.sleep(waitMs, this.#stopped.signal);
  }

  /**
   * A silent device is its own matter, until it fell silent twice and nothing at all was heard on the socket in between: then the
   * socket may be half open, where TCP itself would notice only after minutes.
   */
  #suspect(deviceId: string): void {
    if (!this.#link.canBeHalfOpen) return;
    const heard = this.#link.bytesHeard;
    if (this.#silentSince.get(deviceId) === heard) this.#link.lose('nothing was heard through two polls of a device');
    this.#silentSince.set(deviceId, heard);
  }

  /** Resolves the call; points that nobody saw get `status`. */
  #settle(call: Call, status: string): void {
    if (call.settled) return;
    call.settled = true;
    const at = this.#clock.now();
    const points = this.#devices.get(call.job.device)?.points;
    const seen = call.job.points.map((info) => {
      const point = points?.get(info.point);
      const found = points === undefined || point === undefined ? undefined : observed(point, call.seen, points);
      return found ?? unanswered(info, status, at);
    });
    call.resolve(seen);
  }
}

function readyDevice(device: ModbusDevice, everyRaw: boolean): ReadyDevice {
  return { id: device.id, unitId: device.unitId, points: readyPoints(device, everyRaw), known: [] };
}

/** A device has few distinct slots, so few sets of points: planning them once is enough. */
const mostKnown = 8;

function blocksOf(device: ReadyDevice, asked: readonly PointInfo[]): Block<ReadyPoint>[] {
  const known = device.known.find(
    (one) => one.asked.length === asked.length && one.asked.every((info, index) => info === asked[index]),
  );
  if (known !== undefined) return known.blocks;
  const points = asked.flatMap((info) => device.points.get(info.point) ?? []);
  const blocks = planReads(withHelpers(points, device.points));
  device.known.unshift({ asked: [...asked], blocks });
  device.known.length = Math.min(device.known.length, mostKnown);
  return blocks;
}

function isSilence(outcome: Outcome): boolean {
  return outcome.kind === 'silence' || (outcome.kind === 'exception' && meansSilence(outcome.code));
}

/** Keeps what the outcome says about the points of the block. */
function note(call: Call, block: Block<ReadyPoint>, outcome: Outcome): void {
  for (const point of block.points) call.seen.set(point.info.point, seenOf(point, block.address, outcome));
}
