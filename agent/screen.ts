import type { LastTotal } from '../buffer/buffer.ts';
import { CounterWatch, type CounterRule } from './counters.ts';
import type { GatewayEvent, PointInfo, Reading } from './reading.ts';
import { isNews, type ReportRule } from './report.ts';

/** What is done with the readings of a point. */
export interface ScreenRules {
  /** Absent or null: every reading is sent. */
  readonly report?: ReportRule | null;
  /** Absent or null: it is no counter. */
  readonly counter?: CounterRule | null;
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

/** Stands between the agenda of one device and the buffer: marks counters that jump, holds back what says nothing new. Knows no clock. */
export class Screen {
  readonly #points: ReadonlyMap<string, ScreenedPoint>;
  readonly #memories = new Map<string, Memory>();

  /** `lastTotal`: of a counter by its name, as it was accepted last. `before`: the screen whose place this one takes in the same process. */
  constructor(
    points: readonly ScreenedPoint[],
    lastTotal: (point: string) => LastTotal | undefined,
    before: Screen | null = null,
  ) {
    this.#points = new Map(points.map((point) => [point.info.point, point]));
    for (const { info } of points) {
      const known = before === null ? undefined : before.#memories.get(info.point);
      const isSame = known?.hash === info.hash;
      const watch = (): CounterWatch => new CounterWatch(lastTotal(info.point), info);
      this.#memories.set(info.point, isSame ? known : { hash: info.hash, watch: watch(), sent: null });
    }
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
      const { reading, event } = counter ? memory.watch.check(each, counter) : { reading: each, event: null };
      if (event !== null) events.push(event);
      if (report && !isNews(report, memory.sent, reading, schedule.everyMs)) continue;
      memory.sent = reading;
      kept.push(reading);
    }
    return { kept, events };
  }

  /** The buffer did not take these: what comes next is news. */
  refused(readings: readonly Reading[]): void {
    for (const { point } of readings) {
      const memory = this.#memories.get(point.point);
      if (memory !== undefined) memory.sent = null;
    }
  }
}
