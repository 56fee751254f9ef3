/** Decides about a run from three lists that nobody in the daemon counted: what was accepted (the tap), what arrived, what the device served. */

export interface Delivered {
  /** Topic and partition. */
  readonly place: string;
  /** In order of arrival within the place. */
  readonly key: string;
  readonly value: string;
}

export interface Verdict {
  readonly accepted: number;
  readonly delivered: number;
  /** Arrivals beyond the first of an id. */
  readonly repeated: number;
  /** Ids that were accepted and never arrived. */
  readonly lost: readonly string[];
  /** Ids that came with different content (but for `repeat`), or came again without the mark. */
  readonly altered: readonly string[];
  /** Ids of first sendings that came after a later one of the same device. */
  readonly disordered: readonly string[];
}

interface ReadingRecord {
  readonly id: string;
  readonly repeat?: boolean;
}

/** `tap`: lines `epoch stream first-last,…`. Events are not readings, yet what was accepted must arrive all the same. */
export function acceptedIds(tap: string, gateway: string): string[] {
  return tap
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [epoch = '', , ranges = ''] = line.split(' ');
      return ranges.split(',').flatMap((range) => {
        const [first = 0, last = first] = range.split('-').map(Number);
        return Array.from({ length: last - first + 1 }, (_, at) => `${gateway}/${epoch}/${first + at}`);
      });
    });
}

export function judge(accepted: readonly string[], delivered: readonly Delivered[]): Verdict {
  const contents = new Map<string, string>();
  const newest = new Map<string, readonly number[]>();
  /** In which order they came first: starts on a read-only disk leave no trace, so the next one has the same count. */
  const epochs = new Map<string, number>();
  const altered: string[] = [];
  const disordered: string[] = [];
  let repeated = 0;
  for (const { place, key, value } of delivered) {
    const { repeat, ...rest } = JSON.parse(value) as ReadingRecord;
    const { id } = rest;
    const content = JSON.stringify(rest);
    const before = contents.get(id);
    if (before !== undefined) {
      repeated += 1;
      if (before !== content || repeat === false) altered.push(id);
    }
    contents.set(id, content);
    const [, epoch = '', seq = ''] = id.split('/');
    if (!epochs.has(epoch)) epochs.set(epoch, epochs.size);
    // Events bear no mark: a consumer knows their repeats by the id alone.
    if (repeat ?? before !== undefined) continue;
    const at = [Number.parseInt(epoch, 10), epochs.get(epoch) ?? 0, Number(seq)];
    const last = newest.get(`${place} ${key}`);
    if (last && !isBehind(at, last)) disordered.push(id);
    else newest.set(`${place} ${key}`, at);
  }
  return {
    accepted: accepted.length,
    delivered: contents.size,
    repeated,
    lost: accepted.filter((id) => !contents.has(id)),
    altered,
    disordered,
  };
}

/** By the first place in which they differ. */
function isBehind(at: readonly number[], last: readonly number[]): boolean {
  const place = at.findIndex((value, index) => value !== last[index]);
  return (at[place] ?? 0) > (last[place] ?? 0);
}

/** Poll numbers that a device served between the first and the last delivered one, and that no reading carries: as gaps. */
export function gapsIn(polls: readonly number[]): { after: number; before: number; missing: number }[] {
  const sorted = [...new Set(polls)].toSorted((a, b) => a - b);
  return sorted.flatMap((poll, at) => {
    const before = sorted[at - 1];
    return before === undefined || poll === before + 1
      ? []
      : [{ after: before, before: poll, missing: poll - before - 1 }];
  });
}
