import type { LastTotal } from '../../buffer/buffer.ts';
import { CounterWatch, doubted, type CounterRule } from './counters.ts';
import { SerialWatch, serialOf } from './identity.ts';
import type { GatewayEvent, Observation, PointInfo, Reading } from '../reading.ts';
import { isNews, type ReportRule } from './report.ts';

/** What is done with the readings of a point. */
export interface ScreenRules {
  /** Absent or null: every reading is sent. */
  readonly report?: ReportRule | null;
  /** Absent or null: it is no counter. */
  readonly counter?: CounterRule | null;
  /** Absent or null: it does not say which meter hangs there. */
  readonly identity?: 'serial' | null;
}

/** What is known of a device from before: from an earlier run of the process, or under another configuration. */
export interface KnownBefore {
  lastTotal(point: string): LastTotal | undefined;
  serialSeen(): string | undefined;
}

export interface ScreenedPoint extends ScreenRules {
  readonly info: PointInfo;
  readonly schedule: { readonly everyMs: number };
}

/** What a screen knows of a point from its readings. */
interface Memory {
  /** A point that is described in another way is another one. */
  readonly hash: string;
  readonly watch: CounterWatch;
  sent: Reading | null;
}

/** Stands between the agenda of one device and the buffer: marks counters that jump and the readings of another meter, holds back what says nothing new. Knows no clock. */
export class Screen {
  readonly #points: ReadonlyMap<string, ScreenedPoint>;
  readonly #memories = new Map<string, Memory>();

  /** Tells which meter hangs there; null: no point of the device does. */
  readonly identityPoint: PointInfo | null;
  readonly #serial: SerialWatch | null;

  /** `before`: the screen whose place this one takes in the same process. */
  constructor(points: readonly ScreenedPoint[], known: KnownBefore, before: Screen | null = null) {
    this.#points = new Map(points.map((point) => [point.info.point, point]));
    for (const { info } of points) {
      const memory = before === null ? undefined : before.#memories.get(info.point);
      const isSame = memory?.hash === info.hash;
      const watch = (): CounterWatch => new CounterWatch(known.lastTotal(info.point), info);
      this.#memories.set(info.point, isSame ? memory : { hash: info.hash, watch: watch(), sent: null });
    }
    this.identityPoint = points.find(({ identity }) => identity === 'serial')?.info ?? null;
    this.#serial = serialWatch(this.identityPoint, known, before === null ? null : before.#serial);
  }

  /** To be called with what the device answered before its readings pass. `serial`: what it said of itself, if it did. */
  identify(seen: readonly Observation[]): { readonly serial: string | null; readonly events: readonly GatewayEvent[] } {
    const said = seen.find(({ point }) => point.point === this.identityPoint?.point);
    const serial = said === undefined ? null : serialOf(said);
    if (serial === null || this.#serial === null) return { serial, events: [] };
    const { event, replaced } = this.#serial.see(serial);
    if (replaced !== null) for (const { watch } of this.#memories.values()) watch.replaced(replaced);
    return { serial, events: event === null ? [] : [event] };
  }

  /** Readings as the agenda gives them, in order of time. */
  pass(readings: readonly Reading[]): { readonly kept: readonly Reading[]; readonly events: readonly GatewayEvent[] } {
    const kept: Reading[] = [];
    const events: GatewayEvent[] = [];
    for (const each of readings) {
      const point = this.#points.get(each.point.point);
      const memory = this.#memories.get(each.point.point);
      if (point === undefined || memory === undefined) {
        kept.push(each);
        continue;
      }
      const { report, counter, schedule } = point;
      const { reading, event } =
        this.#serial?.isOther === true
          ? { reading: this.#ofAnother(each), event: null }
          : counter
            ? memory.watch.check(each, counter)
            : { reading: each, event: null };
      if (event !== null) events.push(event);
      if (report && !isNews(report, memory.sent, reading, schedule.everyMs)) continue;
      memory.sent = reading;
      kept.push(reading);
    }
    return { kept, events };
  }

  /** What another meter says tells nothing of the configured one's counters. Its serial number is as good as ever. */
  #ofAnother(reading: Reading): Reading {
    const isIdentity = reading.point.point === this.identityPoint?.point;
    return reading.quality === 'good' && !isIdentity ? doubted(reading) : reading;
  }

  /** The buffer did not take these: what comes next is news. */
  refused(readings: readonly Reading[]): void {
    for (const { point } of readings) {
      const memory = this.#memories.get(point.point);
      if (memory !== undefined) memory.sent = null;
    }
  }
}

function serialWatch(point: PointInfo | null, known: KnownBefore, before: SerialWatch | null): SerialWatch | null {
  if (point === null) return null;
  const watch = new SerialWatch(point.device, point.serial, known.serialSeen() ?? null);
  return before?.configured === watch.configured ? before : watch;
}
