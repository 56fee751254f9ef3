import type { Buffer } from '../../buffer/buffer.ts';
import { type Session } from '../../drivers/driver.ts';
import type { Clock, Stamp } from '../clock.ts';
import { LinkError, messageOf } from '../errors.ts';
import { Pulse } from '../pulse.ts';
import { unanswered } from '../reading.ts';
import type { GatewayEvent, Observation, PointInfo, Reading, Stream } from '../reading.ts';
import { Agenda, type Ask, type Handover } from '../schedule/agenda.ts';
import type { PolledPoint } from '../schedule/point-state.ts';
import { Screen, type ScreenRules } from '../screen/screen.ts';
import { DEADLINE_MS, GRACE_MS, LONGEST_POLL_MS, withDeadline } from './deadline.ts';
import { Presence, isSilence } from './presence.ts';
import { PushedPoints } from './pushed.ts';
import { slotAhead, slotsMissed } from './slot-events.ts';
import { type FirstBad, Tally } from './tally.ts';

/** Where a poller takes its session from; the supervisor is one. */
export interface SessionSource {
  current(): Session | null;
  waitForSession(signal: AbortSignal): Promise<Session>;
}

/** What the buffer knows of devices from before. */
export type KeptOfDevices = Pick<Buffer, 'newestSlotMs' | 'heldDues' | 'lastTotal' | 'serialSeen' | 'sawSerial'>;

export interface PollerOptions {
  readonly device: {
    readonly id: string;
    readonly points: readonly (PolledPoint & ScreenRules & { readonly pushed?: boolean })[];
  };
  readonly link: SessionSource;
  readonly clock: Clock;
  /** Takes what was read. Never waited for; rejects when it was refused, which is the sink's to count and to tell. */
  readonly sink: (stream: Stream, readings: readonly Reading[]) => Promise<void>;
  readonly event: (event: GatewayEvent) => void;
  /** Faults of a driver that broke its contract; once per text. */
  readonly log: (message: string) => void;
  readonly kept: KeptOfDevices;
  /** From the poller of the same device whose place this one takes. */
  readonly before?: PollerHandover | undefined;
}

/** What a poller leaves to its successor in the same process, so that no slot is asked twice, none forgotten, and no state of the device told again. */
export interface PollerHandover {
  readonly agenda: Handover | null;
  readonly pushed: PushedPoints;
  readonly presence: Presence;
  readonly screen: Screen;
  readonly tally: Tally;
}

export interface PollerState {
  readonly device: string;
  /** `waiting`: not asked yet. */
  readonly presence: 'waiting' | 'ok' | 'lost';
  readonly lostSince: Stamp | null;
  /** The last poll that gave at least one value. */
  readonly lastGood: Stamp | null;
  /** null: it has none, its values come by themselves. */
  readonly nextSlotMs: number | null;
  /** Why it is lost, in words; null: it is not. */
  readonly lostBecause: string | null;
  /** Points whose newest answer was bad, and the first of them; empty while nobody was asked. */
  readonly badPoints: number;
  readonly firstBad: FirstBad | null;
  /** Calls of the session. */
  readonly polls: number;
  /** Readings handed on. */
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
  readonly skippedSlots: number;
  /** Boot time by which its loop comes round again; null: it has ended. */
  readonly dueMs: number | null;
}

export interface Poller {
  state(): PollerState;
  /** Values that the source sent by itself. Resolves after the commit; rejects when they were refused, or the poller has ended. */
  take(seen: readonly Observation[]): Promise<void>;
  /** Gives up the poll under way, keeps what it has answered already. Counter slots still due are left to a successor or the next start. Idempotent. */
  stop(): Promise<PollerHandover>;
}

/** One loop per device: look, ask, write, nap. All decisions are the agenda's. */
export function startPoller(options: PollerOptions): Poller {
  const { device, link, clock, sink, event, log, kept: known, before } = options;
  const polled = device.points.filter((point) => point.pushed !== true);
  const agenda = new Agenda(
    polled,
    {
      newestSlotMs: (point) => known.newestSlotMs(device.id, point),
      heldDues: (point) => known.heldDues(device.id, point),
    },
    before?.agenda,
  );
  const pushed = new PushedPoints(
    device.points.flatMap((point) => (point.pushed === true ? [point.info] : [])),
    clock.now(),
    before?.pushed,
  );
  const presence = before?.presence ?? new Presence(device.id);
  const screen = new Screen(
    device.points,
    {
      lastTotal: (point) => known.lastTotal(device.id, point),
      serialSeen: () => known.serialSeen(device.id),
    },
    before?.screen,
  );
  const stopping = new AbortController();
  const faults = new Set<string>();
  const pulse = new Pulse(clock);
  let attempt: AbortController | null = null;
  const tally = before?.tally ?? new Tally();
  tally.keepOnly(new Set(device.points.map(({ info }) => info.point)));
  /** The session on which the device was asked who it is. */
  let identifiedOn: Session | null = null;
  /** The session whose end is waited for, once for all naps: one that lives for months must not gather them. */
  let watched: Session | null = null;
  let napping: AbortController | null = null;

  /** Resolves when all is on disk; polls do not wait for that. */
  async function send(some: readonly Reading[]): Promise<void> {
    const { kept, events } = screen.pass(some);
    tally.handedOn(kept);
    const accepted = [...Map.groupBy(kept, (reading) => reading.point.stream)].map(async ([stream, ofStream]) => {
      try {
        await sink(stream, ofStream);
      } catch (error) {
        screen.refused(ofStream);
        throw error;
      }
    });
    for (const each of events) event(each);
    await Promise.all(accepted);
  }

  function deliver(some: readonly Reading[]): void {
    send(some).catch(ignore);
  }

  async function take(seen: readonly Observation[]): Promise<void> {
    stopping.signal.throwIfAborted();
    const now = clock.now();
    if (seen.some(({ quality }) => quality !== 'bad')) tally.lastGood = now;
    tally.noteBad(seen);
    if (seen.some(({ status }) => !isSilence(status))) tell(presence.answer(now));
    const news = pushed.took(seen, now);
    await send(news.map((observation) => ({ ...observation, slotMs: null })));
  }

  function tell(news: GatewayEvent | null): void {
    if (news !== null) event(news);
  }

  function fault(text: string): void {
    if (faults.has(text)) return;
    faults.add(text);
    log(`Device ${device.id}: ${text}`);
  }

  async function poll(session: Session, ask: Ask): Promise<void> {
    tally.polls++;
    pulse.within(LONGEST_POLL_MS);
    const own = new AbortController();
    attempt = own;
    let seen: Observation[] | null;
    try {
      seen = await withDeadline(own, clock, (signal) =>
        session.poll({ device: device.id, points: ask.points, dueMs: ask.dueMs }, signal),
      );
      if (seen === null) fault('the driver did not give up a poll at its deadline.');
    } catch (error) {
      if (error instanceof LinkError) {
        // The supervisor needs to see the end too, else this loop would ask the dead session again at once.
        await Promise.race([session.ended, nap(GRACE_MS)]);
        return;
      }
      fault(`the driver failed: ${messageOf(error)}`);
      seen = ask.points.map((point) => unanswered(point, 'BadInternalError', clock.now()));
    } finally {
      attempt = null;
    }
    seen ??= ask.points.map((point) => unanswered(point, 'BadTimeout', clock.now()));
    seen = await identified(session, seen);
    const now = clock.now();
    const good = seen.filter((observation) => observation.quality !== 'bad');
    if (good.length > 0) tally.lastGood = now;
    if (stopping.signal.aborted) {
      deliver(agenda.answered(good, now));
      return;
    }
    tally.noteBad(seen);
    if (seen.some((observation) => !isSilence(observation.status))) tell(presence.answer(now));
    // A silent device ends its poll by its own timeout. Whoever comes to the deadline was perhaps never asked.
    else if (own.signal.aborted) fault(notOver);
    else if (!ask.secondAttempt) tell(presence.silence(seen[0]?.status ?? 'BadTimeout', now));
    deliver(agenda.answered(seen, now));
  }

  /**
   * Whose readings these are is to be known before they are kept: on a new session, and when a device answers that was lost (a meter behind a
   * gateway is replaced while the link stays), it is asked by a request of its own. A meter that stays silent about this alone is like any other.
   */
  async function identified(session: Session, seen: Observation[]): Promise<Observation[]> {
    const point = screen.identityPoint;
    if (point === null || stopping.signal.aborted || seen.every(({ status }) => isSilence(status))) return seen;
    const isAsked = seen.some((observation) => observation.point.point === point.point);
    const isDue = identifiedOn !== session || presence.state === 'lost';
    identifiedOn = session;
    const all = isAsked || !isDue ? seen : [...seen, ...(await askWho(session, point))];
    const { serial, events } = screen.identify(all);
    for (const each of events) event(each);
    if (serial !== null) known.sawSerial(device.id, serial);
    else if (all.some((observation) => observation.point.point === point.point)) fault(unidentified);
    return all;
  }

  async function askWho(session: Session, point: PointInfo): Promise<Observation[]> {
    tally.polls++;
    pulse.within(LONGEST_POLL_MS);
    const own = new AbortController();
    attempt = own;
    try {
      const job = { device: device.id, points: [point], dueMs: clock.now().bootMs };
      return (await withDeadline(own, clock, (signal) => session.poll(job, signal))) ?? [];
    } catch (error) {
      // The readings are there; the next session asks again.
      if (!(error instanceof LinkError)) fault(`the driver failed: ${messageOf(error)}`);
      return [];
    } finally {
      attempt = null;
    }
  }

  function nap(ms: number): Promise<void> {
    return clock.sleep(ms, stopping.signal);
  }

  /** Ends with the session: what comes by itself is missing from then on, and an outage may be over before the next look. */
  async function napWhileOpen(session: Session, ms: number): Promise<void> {
    const own = new AbortController();
    const stop = (): void => own.abort(null);
    napping = own;
    if (watched !== session) {
      watched = session;
      void session.ended.then(() => napping?.abort(null));
    }
    stopping.signal.addEventListener('abort', stop, { once: true });
    if (stopping.signal.aborted) stop();
    await clock.sleep(ms, own.signal).catch(ignore);
    stopping.signal.removeEventListener('abort', stop);
    napping = null;
  }

  async function napOrSession(ms: number): Promise<void> {
    const either = new AbortController();
    const stop = (): void => either.abort(stopping.signal.reason);
    stopping.signal.addEventListener('abort', stop, { once: true });
    // A source that will give no session any more must not turn the nap into a spin.
    const session = link.waitForSession(either.signal).catch(() => new Promise<never>(() => {}));
    const slept = clock.sleep(ms, either.signal);
    try {
      await Promise.race([slept, session]);
    } finally {
      stopping.signal.removeEventListener('abort', stop);
      either.abort();
      slept.catch(ignore);
    }
  }

  async function run(): Promise<void> {
    const startWallMs = clock.now().wallMs;
    const isFirst = before === undefined && clock.now().trust !== 'unsynced';
    const aheadMs = isFirst ? agenda.slotAheadMs(startWallMs) : null;
    if (aheadMs !== null) event(slotAhead(device.id, aheadMs, startWallMs));
    while (!stopping.signal.aborted) {
      const now = clock.now();
      const session = link.current();
      const look = agenda.look(now, session !== null);
      const quiet = pushed.look(now, session !== null);
      if (look.notConnected || quiet.notConnected) tell(presence.silence('BadNotConnected', now));
      deliver(look.write);
      tally.noteBad(quiet.write);
      deliver(quiet.write);
      for (const span of look.missedSpans) event(slotsMissed(device.id, span));
      const napMs = Math.min(look.napMs, quiet.napMs);
      pulse.within(napMs);
      if (session !== null && look.ask !== null) await poll(session, look.ask);
      else if (session !== null) await napWhileOpen(session, napMs);
      else await napOrSession(napMs);
    }
  }

  const running = run().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });

  return {
    state: () => ({
      device: device.id,
      presence: presence.state,
      lostSince: presence.lostSince,
      lastGood: tally.lastGood,
      nextSlotMs: polled.length === 0 ? null : agenda.nextSlotMs(clock.now().wallMs),
      lostBecause: presence.because,
      badPoints: tally.badPoints,
      firstBad: tally.firstBad,
      polls: tally.polls,
      ...tally.readings,
      skippedSlots: agenda.skippedSlots,
      dueMs: pulse.dueMs,
    }),
    take,
    async stop() {
      stopping.abort(new Error(`The poller of ${device.id} was stopped.`));
      attempt?.abort(stopping.signal.reason);
      await running;
      pulse.rest();
      return { agenda: agenda.handover(), pushed, presence, screen, tally };
    },
  };
}

const ignore = (): void => {};

const unidentified =
  'its serial number could not be read; its readings are taken as those of the meter before. Compare the point with "identity" with the manual.';

const notOver = `a poll was not over after ${DEADLINE_MS / 1000} s: its line has more to do than it can, or timeout and retries allow longer than that. Raise every, lower timeout and retries, or take dead devices off the line.`;
