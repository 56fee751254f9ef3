import type { Buffer as Lanes } from '../../buffer/buffer.ts';
import { aborted } from '../aborted.ts';
import { batchesOf, changesOf, nameOf, unitsIn } from './announcements.ts';
import type { Change } from './announcements.ts';
import type { Clock } from '../clock.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { describeSite } from './metadata.ts';
import type { Announced, State } from '../state.ts';

export interface AnnouncerParts {
  /** Called once, before the first announcement. */
  readonly openState: () => State;
  /** Quiet time before that: at a start polls come first. */
  readonly restMs: number;
  readonly buffer: Pick<Lanes, 'append' | 'before'>;
  /** What devices say of units; undefined: not asked yet, so what was announced last holds. */
  readonly unitOf?: (device: string, point: string) => string | null | undefined;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warning'>;
}

/** A frame of the buffer, and what waits in memory for it, stay small. */
const batchBytes = 1_000_000;
const againMs = 60_000;

/**
 * Keeps the lane `asset-metadata` telling what the configuration says. Only what differs from what was announced is appended.
 *
 * The state says "announced" only after the commit returned, and "in doubt" from before the append: whatever ends the process between, the next start
 * announces what is in doubt again (or removes it again), and is never content with what the topic may not say any more.
 */
export class Announcer {
  readonly #parts: AnnouncerParts;
  readonly #stopping = new AbortController();
  #state: State | null = null;
  #gateway: string | null = null;
  #known = new Map<string, Announced>();
  #wanted: SiteConfig | null = null;
  #working: Promise<void> | null = null;
  #isTroubleTold = false;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  /** Resolves when all of it is accepted, or a newer call or `stop` took its place. Never rejects: what the buffer does not take is tried again. */
  announce(config: SiteConfig): Promise<void> {
    this.#wanted = config;
    this.#working ??= this.#work().finally(() => (this.#working = null));
    return this.#working;
  }

  /** Waits for the commit under way until `signal` fires, and closes the state. Idempotent. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    await Promise.race([this.#working, aborted(signal)]);
    this.#state?.close();
  }

  async #work(): Promise<void> {
    if (this.#state === null && this.#parts.restMs > 0) await this.#rest(this.#parts.restMs);
    for (;;) {
      const config = this.#wanted;
      this.#wanted = null;
      if (config === null || this.#stopping.signal.aborted) return;
      try {
        await this.#announceAll(config);
      } catch (error) {
        this.#wanted ??= config;
        this.#tellOnce(
          `asset-metadata: not accepted (${messageOf(error)}); it is tried again every ${againMs / 1000} s`,
        );
        await this.#rest(againMs);
      }
    }
  }

  /** Ends early at a stop. */
  async #rest(ms: number): Promise<void> {
    await this.#parts.clock.sleep(ms, this.#stopping.signal).catch(() => undefined);
  }

  async #announceAll(config: SiteConfig): Promise<void> {
    this.#recall(config.gateway);
    const known = [...this.#known.values()];
    const before = unitsIn(known);
    const unitOf = (device: string, point: string): string | null => {
      const said = this.#parts.unitOf?.(device, point);
      return (said === undefined ? before(device, point) : said) ?? null;
    };
    const changes = changesOf(describeSite(config, undefined, unitOf), known);
    for (const batch of batchesOf(changes, batchBytes)) {
      if (this.#wanted !== null || this.#stopping.signal.aborted) return;
      await this.#accepted(batch);
    }
    if (changes.length === 0) return;
    this.#isTroubleTold = false;
    const count = (of: (change: Change) => boolean): number =>
      new Set(changes.filter(of).map(({ device }) => device)).size;
    const removed = count(({ gone }) => gone.length > 0);
    const told = count(({ rows }) => rows.length > 0);
    this.#parts.log.info(`asset-metadata: ${told} ${told === 1 ? 'device' : 'devices'} announced, ${removed} removed.`);
  }

  async #accepted(batch: readonly Change[]): Promise<void> {
    const at = this.#parts.clock.now();
    const [rows, gone] = [batch.flatMap((change) => change.rows), batch.flatMap((change) => change.gone)];
    this.#doubt([...rows, ...gone]);
    await this.#parts.buffer.append(
      'asset-metadata',
      batch.flatMap(({ entries }) => entries.map((entry) => ({ at, ...entry }))),
    );
    this.#keep(rows, gone);
  }

  #recall(gateway: string): void {
    if (this.#gateway === gateway) return;
    this.#gateway = gateway;
    const { openState, buffer } = this.#parts;
    this.#state ??= openState();
    const rows = this.#state.announced(gateway);
    this.#known = new Map(rows.map((row) => [nameOf(row), row]));
    // What a buffer that is gone had accepted may never have been sent.
    if (buffer.before === 'none' && rows.length > 0) this.#doubt(rows);
  }

  #doubt(rows: readonly Announced[]): void {
    this.#keep(
      rows.map((row) => ({ ...row, hash: null })),
      [],
    );
  }

  /** In memory in any case: if the disk does not take it, the next start announces again what this one has. */
  #keep(rows: readonly Announced[], gone: readonly Announced[]): void {
    for (const row of gone) this.#known.delete(nameOf(row));
    for (const row of rows) this.#known.set(nameOf(row), row);
    try {
      this.#state?.keep(rows, gone);
    } catch (error) {
      this.#tellOnce(`what was announced could not be noted (${messageOf(error)}); the next start announces it again`);
    }
  }

  #tellOnce(message: string): void {
    if (this.#isTroubleTold) return;
    this.#isTroubleTold = true;
    this.#parts.log.warning(message);
  }
}
