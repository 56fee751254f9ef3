import type { Stamp } from '../clock.ts';
import type { Observation, PointInfo, Reading } from '../reading.ts';
import { firstLook, lookAfter, type Looked } from './looked.ts';
import { joinedSpans, MissedSlots, MOST_MISSED_SLOTS } from './missed-slots.ts';
import type { MissedSpan } from './missed-slots.ts';
import { badIsNews, fail, finish, giveUp, missed, open, pauseMs } from './pending.ts';
import { newPoint } from './point-state.ts';
import type { KeptOfPoints, PointState, PolledPoint } from './point-state.ts';
import { type Schedule, slotsBetween } from './slots.ts';
import { answerWrongDues, enterWrongTime, leaveWrongTime, slotted } from './wrong-time.ts';

/** What one poll asks for. */
export interface Ask {
  readonly points: readonly PointInfo[];
  /** Boot time at which it was due; a second attempt is due when it is made, so that a dead device does not overtake living ones. */
  readonly dueMs: number;
  /** Only points that failed before: their silence says nothing new about the device. */
  readonly secondAttempt: boolean;
}

export interface Look {
  readonly write: readonly Reading[];
  /** null: nothing to ask now, look again after `napMs`, or as soon as a session opens. */
  readonly ask: Ask | null;
  readonly napMs: number;
  /** A slot came and there was no session for it for longer than a quick reconnect takes. */
  readonly notConnected: boolean;
  /** Counter slots too many to be written one by one; told as a span. */
  readonly missedSpans: readonly MissedSpan[];
}

/** A step is seen at the next look: never later than this. */
const LONGEST_NAP_MS = 10_000;
/** Between two batches of slots that were missed while nobody polled. */
const NEXT_BATCH_MS = 200;

/** What is not a counter is a slot's own value until half of `every` has passed, but no longer than this. */
const LONGEST_FRESH_MS = 15 * 60_000;
/** A slot on disk this far ahead, or one `every` if that is less, is told at the start. */
const FAR_AHEAD_MS = 3_600_000;

/** What an agenda leaves to the one that takes its place in the same process. */
export interface Handover {
  readonly looked: Looked;
  readonly points: readonly PointState[];
  readonly missed: MissedSlots;
  readonly skippedSlots: number;
}

/**
 * Decides for one device what is due, what to ask and what to write. Knows no clock, no session and no buffer: the same calls give the
 * same answers. Promises, as long as it is looked at:
 * - a counter's slot gets at most one reading, whatever the wall clock does, and exactly one unless the wall jumped over it
 *   (of earlier runs only the newest slot is known: a wall that is behind it at the start comes by older ones again);
 * - nothing is asked twice for a slot but a counter that is still missing.
 */
export class Agenda {
  readonly #points: PointState[];
  readonly #byName: ReadonlyMap<string, PointState>;
  #groups: { schedule: Schedule; points: PointState[] }[] = [];
  #isWrong = false;
  readonly #missed: MissedSlots;
  /** Not looked at yet: asked once at the first look, whatever the schedule says. */
  readonly #fresh = new Set<PointState>();
  #looked: Looked | null;
  /** The first poll waits for nothing that was missed. */
  #looks = 0;
  #skippedSlots: number;
  /** Counters which were due before, and are not asked at these slots any more. */
  #leftBehind: readonly PointState[];

  /** `before`: from the agenda whose place this one takes. A point that kept its name, kind and slots goes on as if nothing had happened. */
  constructor(points: readonly PolledPoint[], kept: KeptOfPoints, before: Handover | null = null) {
    this.#looked = before?.looked ?? null;
    this.#skippedSlots = before?.skippedSlots ?? 0;
    this.#missed = before?.missed ?? new MissedSlots();
    this.#missed.keepOnly(new Set(points.map(({ info }) => info.point)));
    this.#points = points.map((point) => {
      const known = before?.points.find(({ info }) => info.point === point.info.point);
      if (known?.info.kind === point.info.kind && (known.own ?? known).schedule.key === point.schedule.key)
        return this.#goingOn(known, point);
      const state = newPoint(point, kept);
      this.#fresh.add(state);
      return state;
    });
    const goOn = new Set(this.#points.map(({ pending }) => pending));
    this.#leftBehind = (before?.points ?? []).filter(
      ({ counter, pending }) => counter && pending !== null && !goOn.has(pending),
    );
    this.#byName = new Map(this.#points.map((point) => [point.info.point, point]));
    this.#group();
  }

  /** While the clock is known to be wrong it begins anew, by that clock or, if it is right by now, by its own slots. */
  #goingOn(known: PointState, point: PolledPoint): PointState {
    if (known.own === null) return { ...known, ...point };
    const state = { ...known, ...point, ...known.own, own: null, pending: null };
    this.#fresh.add(state);
    return state;
  }

  #group(): void {
    this.#groups = [...Map.groupBy(this.#points, (point) => point.schedule.key).values()].flatMap((group) =>
      group[0] === undefined ? [] : [{ schedule: group[0].schedule, points: group }],
    );
  }

  /** Slots of points that are not counters, passed over because the device, the line or this process was late. */
  get skippedSlots(): number {
    return this.#skippedSlots;
  }

  /** null: it never looked, so there is nothing to go on from. */
  handover(): Handover | null {
    return this.#looked === null
      ? null
      : { looked: this.#looked, points: this.#points, missed: this.#missed, skippedSlots: this.#skippedSlots };
  }

  /** To be asked at the start: the newest slot on disk if it is more than one `every` (at most 1h) ahead, so that the clock ran ahead before or is behind now. */
  slotAheadMs(wallMs: number): number | null {
    const ahead = this.#points.flatMap(({ newestOnDiskMs: slotMs, schedule }) =>
      slotMs !== undefined && slotMs - wallMs > Math.min(schedule.everyMs, FAR_AHEAD_MS) ? [slotMs] : [],
    );
    return ahead.length === 0 ? null : Math.max(...ahead);
  }

  nextSlotMs(wallMs: number): number {
    return Math.min(...this.#groups.map((group) => group.schedule.slotAfter(wallMs)));
  }

  look(now: Stamp, connected: boolean): Look {
    const write: Reading[] = [];
    const missedSpans: MissedSpan[] = [];
    if ((now.trust === 'unsynced') !== this.#isWrong) this.#turn(now);
    const { looked, afterMs } =
      this.#looked === null ? { looked: firstLook(now), afterMs: null } : lookAfter(this.#looked, now);
    this.#looked = looked;
    for (const { schedule, points } of this.#groups) {
      const known = points.filter((point) => !this.#fresh.has(point));
      if (afterMs !== null && known.length > 0)
        this.#begin({ schedule, points: known }, afterMs, now, write, missedSpans);
    }
    this.#start(now, missedSpans);
    this.#closeLeftBehind(now, write);
    if (!this.#isWrong && (this.#looks++ > 0 || this.#missed.areFew))
      for (const { point, slotMs } of this.#missed.take()) write.push(missed(point, slotMs, now));

    const notConnected =
      !connected && this.#points.some(({ pending }) => pending !== null && pending.patientUntilBootMs <= now.bootMs);
    for (const point of this.#points) {
      if (point.pending === null || point.pending.untilBootMs > now.bootMs) continue;
      if (point.counter || !connected) write.push(...giveUp(point, point.pending, connected, now));
    }
    const ask = connected ? this.#ask(now) : null;
    const napMs = Math.min(
      this.#napMs(now, connected),
      this.#missed.isEmpty || this.#isWrong ? Infinity : NEXT_BATCH_MS,
    );
    return { write, ask, napMs, notConnected, missedSpans: joinedSpans(missedSpans) };
  }

  /** `seen`: what came of an ask, in any order. What it leaves out stays due: after a lost link all of it, until there is a session again. */
  answered(seen: readonly Observation[], now: Stamp): Reading[] {
    const write: Reading[] = [];
    for (const observation of seen) {
      const point = this.#byName.get(observation.point.point);
      if (point === undefined || point.pending === null) continue;
      const { pending } = point;
      if (observation.quality !== 'bad') {
        const reading = slotted(point, pending, observation);
        write.push(reading);
        if (reading.laterSlot !== undefined)
          point.wrongDues.push({ dueBootMs: pending.dueBootMs, withinMs: reading.laterSlot.withinMs });
        finish(point, pending);
        point.failing = false;
      } else if (point.counter) {
        pending.last = observation;
        pending.tried = true;
        pending.nextTryBootMs = now.bootMs + pauseMs(point.withinMs);
      } else {
        write.push(...fail(point, pending, observation));
      }
    }
    return write;
  }

  /** The clock is known to be wrong from now on, or no more. Counters begin anew: what was due by one time is not by the other. */
  #turn(now: Stamp): void {
    this.#isWrong = now.trust === 'unsynced';
    for (const point of this.#points) {
      if (!point.counter) continue;
      if (this.#isWrong) enterWrongTime(point, this.#looked?.untilWallMs, now);
      else leaveWrongTime(point);
      point.pending = null;
      this.#fresh.add(point);
    }
    this.#looked = null;
    this.#group();
  }

  #open(point: PointState, slotMs: number | null, now: Stamp, startedLateMs = 0): void {
    open(point, slotMs, this.#isWrong, now, startedLateMs);
  }

  /** At its start every point is asked once: counters for their slot if it is still due, the rest outside the schedule. */
  #start(now: Stamp, missedSpans: MissedSpan[]): void {
    for (const point of this.#fresh) {
      if (!this.#isWrong) answerWrongDues(point, now);
      const slotMs = point.schedule.slotAtOrBefore(now.wallMs);
      if (!point.counter) this.#open(point, slotMs === now.wallMs ? slotMs : null, now);
      else if (!point.done.has(slotMs) && now.wallMs - slotMs < point.withinMs)
        this.#open(point, slotMs, now, now.wallMs - slotMs);
      if (this.#isWrong || point.missedAfterMs === undefined) continue;
      const uptoMs = point.pending === null ? slotMs : slotMs - 1;
      missedSpans.push(...this.#missed.add(point.info, point.schedule, point.done, point.missedAfterMs, uptoMs));
      point.missedAfterMs = undefined;
    }
    this.#fresh.clear();
  }

  /** A slot that was due under another schedule gets its one record, unless it is a slot of the new one too and due still. */
  #closeLeftBehind(now: Stamp, write: Reading[]): void {
    for (const { info, pending } of this.#leftBehind) {
      if (pending === null || pending.slotMs === null) continue;
      const successor = this.#byName.get(info.point);
      if (successor?.pending?.slotMs === pending.slotMs) continue;
      write.push(
        pending.last === null ? missed(info, pending.slotMs, now) : { ...pending.last, slotMs: pending.slotMs },
      );
    }
    this.#leftBehind = [];
  }

  #begin(
    group: { schedule: Schedule; points: PointState[] },
    afterMs: number,
    now: Stamp,
    write: Reading[],
    missedSpans: MissedSpan[],
  ): void {
    const { schedule, points } = group;
    const { slots, more } = slotsBetween(schedule, afterMs, now.wallMs, MOST_MISSED_SLOTS);
    const newest = slots.at(-1);
    if (newest === undefined) return;
    const counters = points.filter((point) => point.counter);
    if (more && counters.length > 0) {
      const beforeMs = slots[0] ?? newest;
      missedSpans.push({ counters: counters.length, everyMs: schedule.everyMs, isWritten: false, afterMs, beforeMs });
    }
    for (const point of counters) {
      for (const slotMs of slots) {
        if (point.done.has(slotMs) || point.pending?.slotMs === slotMs) continue;
        if (point.pending !== null) write.push(...giveUp(point, point.pending, true, now));
        if (now.wallMs - slotMs < point.withinMs) {
          this.#open(point, slotMs, now);
        } else {
          // A slot of a wrong clock is none.
          if (!this.#isWrong) write.push(missed(point.info, slotMs, now));
          point.done.add(slotMs);
        }
      }
    }
    for (const point of points) if (!point.counter) this.#beginOrSkip(point, slots, newest, now, write);
  }

  /** A little late (LONGEST_FRESH_MS) is still the slot's own value; later it is passed over, so that a slow device is not asked without a break. */
  #beginOrSkip(point: PointState, slots: readonly number[], newest: number, now: Stamp, write: Reading[]): void {
    const fresh = now.wallMs - newest <= Math.min(point.schedule.everyMs / 2, LONGEST_FRESH_MS);
    const skipped = (fresh ? slots.slice(0, -1) : slots).filter((slotMs) => !point.done.has(slotMs));
    this.#skippedSlots += skipped.length;
    const [first] = skipped;
    if (first !== undefined && badIsNews(point, now.bootMs)) {
      write.push(missed(point.info, first, now));
      point.badToldBootMs = now.bootMs;
    }
    if (fresh && !point.done.has(newest)) this.#open(point, newest, now);
  }

  #ask(now: Stamp): Ask | null {
    const due = this.#points.filter(({ pending }) => pending !== null && pending.nextTryBootMs <= now.bootMs);
    if (due.length === 0) return null;
    const firstTries = due.flatMap(({ pending }) => (pending === null || pending.tried ? [] : [pending.dueBootMs]));
    return {
      points: due.map((point) => point.info),
      dueMs: Math.min(now.bootMs, ...firstTries),
      secondAttempt: firstTries.length === 0,
    };
  }

  #napMs(now: Stamp, connected: boolean): number {
    let napMs = Math.min(LONGEST_NAP_MS, this.nextSlotMs(now.wallMs) - now.wallMs);
    for (const { pending } of this.#points) {
      if (pending === null) continue;
      const instants = [pending.untilBootMs, connected ? pending.nextTryBootMs : pending.patientUntilBootMs];
      for (const atMs of instants) if (atMs > now.bootMs) napMs = Math.min(napMs, atMs - now.bootMs);
    }
    return napMs;
  }
}
