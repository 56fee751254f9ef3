import { below } from './random.ts';

/** An unsynced change of a file's content. */
type Change = Write | { readonly at: number; readonly size: number };

interface Write {
  readonly at: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** A sync of it failed: the kernel counts it as written, and no later sync makes it safe. */
  readonly isDoomed?: boolean;
}

const sectorBytes = 512;

/** What survives of unsynced content: `none`, `all`, each change or each sector by itself, or a beginning of them. */
const survivals = ['none', 'all', 'changes', 'sectors', 'beginning'] as const;

/** A file as an inode: what a power cut cannot take, and what was done to it since, in order. */
export class DiskFile {
  #durable = new Uint8Array(0);
  #changes: Change[] = [];

  /** `at`: number of the operation. */
  write(at: number, offset: number, data: Uint8Array): void {
    this.#changes.push({ at, offset, data });
  }

  resize(at: number, size: number): void {
    this.#changes.push({ at, size });
  }

  /** All changes up to operation `until` are safe. */
  sync(until = Infinity): void {
    const safe = this.#changes.filter((change) => change.at <= until && !isDoomed(change));
    if (safe.length === 0) return;
    for (const change of safe) this.#durable = applied(this.#durable, change);
    this.#changes = this.#changes.filter(
      (change) => change.at > until || (isDoomed(change) && !safe.some((one) => covers(one, change))),
    );
  }

  /** A sync was answered with an error: what it should have made safe may be there or not, for ever. */
  failSync(): void {
    this.#changes = this.#changes.flatMap((change) =>
      'size' in change ? [change] : Array.from(sectorsOf(change), (sector): Change => ({ ...sector, isDoomed: true })),
    );
  }

  /** Content after a power cut. `isOrdered`: a change behind a lost truncate is lost as well. */
  afterCut(random: () => number, isOrdered: boolean): Uint8Array {
    let content: Uint8Array<ArrayBuffer> = this.#durable.slice();
    if (this.#changes.length === 0) return content;
    const survival = survivals[below(survivals.length, random)] ?? 'none';
    const beginning = below(this.#changes.length + 1, random);
    let largest = content.length;
    for (const [number, change] of this.#changes.entries()) {
      if ('size' in change) {
        const isKept = survival === 'none' || survival === 'beginning' ? number < beginning : random() < 0.5;
        if (isKept || survival === 'all') content = applied(content, change);
        else if (isOrdered) break;
        continue;
      }
      largest = Math.max(largest, change.offset + change.data.length);
      const isTorn = survival === 'sectors' || (survival === 'beginning' && number === beginning);
      const isKept =
        survival === 'all' ||
        (survival === 'beginning' && number < beginning) ||
        (survival === 'changes' && random() < 0.5);
      if (isTorn) for (const part of sectorsOf(change)) content = random() < 0.5 ? applied(content, part) : content;
      else if (isKept) content = applied(content, change);
    }
    // A size may be safe before what fills it: zeros.
    if (largest > content.length && random() < 0.3)
      content = applied(content, { at: 0, size: content.length + below(largest - content.length + 1, random) });
    return content;
  }
}

function isDoomed(change: Change): change is Write {
  return !('size' in change) && (change.isDoomed ?? false);
}

/** Nothing of the sector is left to be seen once `change` is there. */
function covers(change: Change, sector: Write): boolean {
  if ('size' in change) return change.size <= sector.offset;
  return (
    change.at > sector.at &&
    change.offset < sector.offset + sector.data.length &&
    sector.offset < change.offset + change.data.length
  );
}

function applied(content: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  if ('size' in change) return resized(content, change.size);
  const end = change.offset + change.data.length;
  const target = end > content.length ? resized(content, end) : content;
  target.set(change.data, change.offset);
  return target;
}

function resized(content: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(size);
  target.set(content.subarray(0, size));
  return target;
}

/** The disk's own sectors: a write that does not begin at one is torn where they do. */
function* sectorsOf(change: Write): Generator<Write> {
  const end = change.offset + change.data.length;
  for (let from = change.offset; from < end;) {
    const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
    yield { at: change.at, offset: from, data: change.data.subarray(from - change.offset, to - change.offset) };
    from = to;
  }
}
