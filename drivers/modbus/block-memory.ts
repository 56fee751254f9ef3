import { halvesOf } from './plan-reads.ts';
import type { Block, Readable } from './plan-reads.ts';

/** What a device said about blocks is believed this long; then they are tried whole again. */
const believedMs = 86_400_000;
/** A single refusal may be a hiccup of a gateway. */
const toBelieve = 2;

interface Known {
  readonly count: number;
  /** Equal refusals in a row. */
  refusals: number;
  code: number | null;
  /** It stayed silent, and nothing smaller was answered since. */
  isSilent: boolean;
  /** How often it stayed silent and something smaller was answered then. */
  provenSilences: number;
  /** Boot ms; null: it is tried whole. */
  splitAtMs: number | null;
}

/**
 * What one device refuses to read in one request. A block is read in halves when it was refused twice alike (02, 03: one register that does not exist spoils it), or stayed
 * silent twice while smaller reads were answered. Forgotten after a day, and with the session.
 */
export class BlockMemory {
  readonly #known = new Map<string, Known>();
  readonly #tables = new Set<string>();

  /** The requests that read these blocks. */
  readable<Point extends Readable>(blocks: readonly Block<Point>[], nowMs: number): Block<Point>[] {
    if (this.#known.size === 0) return [...blocks];
    return blocks.flatMap((block) => {
      const known = this.#known.get(keyOf(block));
      if (known === undefined || known.splitAtMs === null) return [block];
      if (nowMs - known.splitAtMs >= believedMs) {
        this.#known.delete(keyOf(block));
        return [block];
      }
      const halves = halvesOf(block);
      return halves.length === 1 ? [block] : this.readable(halves, nowMs);
    });
  }

  /** What to read in its stead now; nothing when it is a single value. */
  refused<Point extends Readable>(block: Block<Point>, code: number, nowMs: number): Block<Point>[] {
    const halves = halvesOf(block);
    if (halves.length === 1) return [];
    const known = this.#of(block);
    known.refusals = known.code === code ? known.refusals + 1 : 1;
    known.code = code;
    if (known.refusals >= toBelieve) known.splitAtMs ??= nowMs;
    return this.readable(halves, nowMs);
  }

  silent(block: Block<Readable>): void {
    if (halvesOf(block).length > 1) this.#of(block).isSilent = true;
  }

  answered({ table, address, count }: Pick<Block<Readable>, 'table' | 'address' | 'count'>, nowMs: number): void {
    this.#tables.add(table);
    this.#known.delete(keyOf({ table, address, count }));
    for (const known of this.#known.values()) {
      if (!known.isSilent || known.count <= count) continue;
      known.isSilent = false;
      if (++known.provenSilences >= toBelieve) known.splitAtMs ??= nowMs;
    }
  }

  /** Some of it was answered: an exception 01 is then about an address, whatever its name says. */
  hasAnswered(table: string): boolean {
    return this.#tables.has(table);
  }

  #of(block: Block<Readable>): Known {
    const key = keyOf(block);
    const known = this.#known.get(key) ?? {
      count: block.count,
      refusals: 0,
      code: null,
      isSilent: false,
      provenSilences: 0,
      splitAtMs: null,
    };
    this.#known.set(key, known);
    return known;
  }
}

const keyOf = ({ table, address, count }: Pick<Block<Readable>, 'table' | 'address' | 'count'>): string =>
  `${table}/${address}/${count}`;
