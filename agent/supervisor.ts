import type { Driver, DriverHost, Session } from '../drivers/driver.ts';
import { outageBackoff } from './backoff.ts';
import type { Clock, Stamp } from './clock.ts';
import { LinkError, messageOf } from './errors.ts';

export interface SupervisorOptions<Plan> {
  readonly connection: string;
  /** Loads the driver's library; called at the first attempt, so that a connection nobody starts costs nothing. */
  readonly load: () => Promise<Driver<Plan>>;
  readonly plan: Plan;
  readonly host: DriverHost;
  readonly clock: Clock;
  /** Once per change: it holds (2 s after it opened), was lost, or cannot be opened for a reason not told in this outage. */
  readonly log: (severity: 'info' | 'warning', message: string) => void;
  readonly random?: () => number;
}

export type SupervisorState = {
  readonly connection: string;
  readonly state: 'open' | 'opening' | 'waiting' | 'closed';
  readonly since: Stamp;
  /** Why it is not open. */
  readonly error: string | null;
  /** What somebody must see to although it is open, a sentence each. */
  readonly remarks: readonly string[];
  /** Failed attempts since it was last open. */
  readonly failures: number;
  /** Since the start: sessions opened, and attempts that failed. */
  readonly opened: number;
  readonly failed: number;
};

export interface Supervisor {
  current(): Session | null;
  /** Rejects with the signal's reason, or with LinkError when the supervisor is closed. */
  waitForSession(signal: AbortSignal): Promise<Session>;
  state(): SupervisorState;
  /** Closes the session, gives up an attempt under way. Idempotent. */
  close(): Promise<void>;
}

/** Longest wait before the second attempt. */
const BACKOFF_BASE_MS = 500;
/** A line that was pulled out for an hour is back within 10 s all the same. */
const LONG_OUTAGE_MS = 10_000;
/** A session that ended sooner counts as a failed attempt: a peer that accepts and hangs up must not be called without a pause. */
const SHORTEST_LIFE_MS = 2_000;
/** Drivers have their own timeouts; this ends an attempt that forgot about them. */
const OPEN_DEADLINE_MS = 30_000;
/** Different texts told during one outage. */
const MOST_TEXTS = 10;

/** Owns one connection: at every instant at most one session, opened again whenever it ended. */
export function startSupervisor<Plan>(options: SupervisorOptions<Plan>): Supervisor {
  const { connection, load, plan, host, clock, log } = options;
  const closing = new AbortController();
  const waiters = new Set<(session: Session) => void>();
  const told = new Set<string>();
  let session: Session | null = null;
  /** The one that ended last. */
  let before: Session | undefined;
  let state: SupervisorState['state'] = 'opening';
  let since = clock.now();
  let error: string | null = null;
  let failures = 0;
  let timesOpened = 0;
  let failed = 0;

  function become(next: SupervisorState['state']): void {
    if (state !== next) since = clock.now();
    state = next;
  }

  async function open(): Promise<Session> {
    const driver = await load();
    closing.signal.throwIfAborted();
    const attempt = new AbortController();
    const done = new AbortController();
    const giveUp = (): void => attempt.abort(closing.signal.reason);
    const late = new LinkError(`no session within ${OPEN_DEADLINE_MS / 1000} s`);
    clock.sleep(OPEN_DEADLINE_MS, done.signal).then(
      () => attempt.abort(late),
      () => {},
    );
    closing.signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await driver.open(plan, host, attempt.signal, before);
    } finally {
      closing.signal.removeEventListener('abort', giveUp);
      done.abort();
    }
  }

  /** A text told once is told again only after a session that held: a link that flaps fills no log. */
  function tell(severity: 'info' | 'warning', text: string): void {
    if (told.has(text) || told.size >= MOST_TEXTS) return;
    told.add(text);
    log(severity, `Connection ${connection} ${text}`);
  }

  async function letGo(closed: Session): Promise<void> {
    try {
      await closed.close();
    } catch (cause) {
      tell('warning', `did not close in order: ${messageOf(cause)}`);
    }
  }

  /** Resolves when the session has ended and let go of its line: whether it had held. */
  async function liveThrough(opened: Session): Promise<boolean> {
    session = opened;
    timesOpened++;
    error = null;
    become('open');
    for (const waiter of waiters) waiter(opened);
    waiters.clear();

    const over = new AbortController();
    const end = opened.ended.then((reason) => {
      session = null;
      over.abort();
      return reason;
    });
    const held = await clock.sleep(SHORTEST_LIFE_MS, over.signal).then(
      () => true,
      () => false,
    );
    if (held) {
      log('info', `Connection ${connection} is open.`);
      told.clear();
      failures = 0;
    }
    const reason = await end;
    await letGo(opened);
    before = opened;
    failures++;
    if (!closing.signal.aborted) {
      error = reason === undefined ? 'the driver closed it' : messageOf(reason);
      tell('warning', `was lost: ${error}. It is opened again.`);
    }
    return held;
  }

  async function run(): Promise<void> {
    let downSinceMs = clock.now().bootMs;
    while (!closing.signal.aborted) {
      become('opening');
      try {
        const opened = await open();
        if (closing.signal.aborted) {
          await letGo(opened);
          break;
        }
        if (await liveThrough(opened)) downSinceMs = clock.now().bootMs;
      } catch (caught) {
        if (closing.signal.aborted) break;
        failures++;
        failed++;
        error = messageOf(caught);
        tell('warning', `cannot be opened: ${error}. Attempts go on.`);
      }
      if (closing.signal.aborted) break;
      become('waiting');
      const downForMs = clock.now().bootMs - downSinceMs;
      const waitMs = outageBackoff(failures, downForMs, BACKOFF_BASE_MS, options.random, LONG_OUTAGE_MS);
      await clock.sleep(waitMs, closing.signal).catch(() => {});
    }
  }

  const running = run();

  return {
    current: () => session,
    waitForSession(signal) {
      if (session !== null) return Promise.resolve(session);
      return new Promise((resolve, reject) => {
        const done = (settle: () => void) => (): void => {
          waiters.delete(opened);
          signal.removeEventListener('abort', aborted);
          closing.signal.removeEventListener('abort', closed);
          settle();
        };
        const aborted = done(() => reject(signal.reason as Error));
        const closed = done(() => reject(new LinkError(`connection ${connection} is closed`)));
        const opened = (live: Session): void => done(() => resolve(live))();
        waiters.add(opened);
        signal.addEventListener('abort', aborted, { once: true });
        closing.signal.addEventListener('abort', closed, { once: true });
        if (signal.aborted) aborted();
        else if (closing.signal.aborted) closed();
      });
    },
    state: () => ({
      connection,
      state,
      since,
      error,
      remarks: session?.remarks?.() ?? [],
      failures,
      opened: timesOpened,
      failed,
    }),
    async close() {
      closing.abort(new LinkError(`connection ${connection} is being closed`));
      if (session !== null) await letGo(session);
      await running;
      become('closed');
    },
  };
}
