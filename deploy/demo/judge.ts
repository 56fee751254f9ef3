import type { FoundRecord } from './read-records.ts';
import type { Accepted } from './tap.ts';

export interface Evidence {
  readonly gateway: string;
  /** From the tap. */
  readonly accepted: Accepted;
  /** From the topics. */
  readonly records: readonly FoundRecord[];
  /** Rows in the consumers' own databases, by the stream they read. */
  readonly consumed: Readonly<Record<string, { readonly consumer: string; readonly rows: number }>>;
}

export interface StreamCount {
  readonly stream: string;
  readonly accepted: number;
  /** Of the accepted, those found in the topic. */
  readonly delivered: number;
  /** Records beyond the first of an id. */
  readonly repeated: number;
  readonly lost: number;
  /** Rows of the stream's consumer; null: it has none. */
  readonly consumed: number | null;
}

export interface Verdict {
  readonly counts: readonly StreamCount[];
  readonly lost: number;
  /** Empty: nothing is lost, and all counts agree. */
  readonly problems: readonly string[];
}

/** What came of the readings, from three witnesses that do not know each other: the tap, the topics and the consumers' databases. */
export function judge({ gateway, accepted, records, consumed }: Evidence): Verdict {
  const problems: string[] = [];
  const counts: StreamCount[] = [];
  const epochs = new Set([...accepted.values()].flatMap((names) => [...names].map((name) => name.split('/')[0])));
  if (epochs.size === 0) problems.push('nothing was accepted: the tap is empty');
  for (const stream of new Set([...accepted.keys(), ...Object.keys(consumed)])) {
    const names = accepted.get(stream) ?? new Set();
    const ofStream = named(records.filter((record) => record.stream === stream));
    const byId = group(ofStream, ({ id }) => id);
    const delivered = [...names].filter((name) => byId.has(`${gateway}/${name}`)).length;
    const unknown = [...byId.keys()].filter((id) => isOurs(id, gateway, epochs) && !names.has(nameOf(id)));
    if (unknown.length > 0) {
      problems.push(`${stream}: ${unknown.length} ids in the topic that no commit named, e.g. ${unknown[0]}`);
    }
    const nameless = byId.get('')?.length ?? 0;
    if (nameless > 0) problems.push(`${stream}: ${nameless} records without an id`);
    const ours = ofStream.filter(({ id }) => isOurs(id, gateway, epochs));
    problems.push(...[...byId].flatMap(([id, all]) => differing(stream, id, all)), ...disorder(stream, ours));
    const lost = names.size - delivered;
    if (lost > 0) problems.push(`${stream}: ${lost} accepted, but not in the topic: lost, or still in the buffer`);
    const reader = consumed[stream];
    if (reader !== undefined && reader.rows !== byId.size) {
      problems.push(`${stream}: the topic holds ${byId.size} distinct ids, ${reader.consumer} has ${reader.rows}`);
    }
    const repeated = ofStream.length - byId.size;
    counts.push({ stream, accepted: names.size, delivered, repeated, lost, consumed: reader?.rows ?? null });
  }
  return { counts, lost: counts.reduce((sum, each) => sum + each.lost, 0), problems };
}

export interface NamedRecord extends FoundRecord {
  /** Empty: it bears none. */
  readonly id: string;
}

const idText = /^\{"id":"([^"]+)"/;

/** In order of partition and offset. A tombstone bears no id: it was committed with the record of its key before it, so its seq is the next. */
export function named(records: readonly FoundRecord[]): NamedRecord[] {
  const before = new Map<string, string>();
  const inOrder = records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
  return inOrder.map((record) => {
    const { stream, key, value } = record;
    const place = `${stream} ${key}`;
    const id = value === null ? following(before.get(place) ?? '') : (idText.exec(value)?.[1] ?? '');
    if (value !== null) before.set(place, id);
    return { ...record, id };
  });
}

/** `ps-12/41-k3v9q0za/7` → `ps-12/41-k3v9q0za/8`. */
function following(id: string): string {
  return id.replace(/\d+$/, (seq) => String(Number(seq) + 1));
}

/** Others may write to the same topics: another gateway, or this one at another time. */
function isOurs(id: string, gateway: string, epochs: ReadonlySet<string | undefined>): boolean {
  return id.startsWith(`${gateway}/`) && epochs.has(id.split('/')[1]);
}

function nameOf(id: string): string {
  return id.slice(id.indexOf('/') + 1);
}

/** A repeat equals the first sending in every byte but `repeat`. */
function differing(stream: string, id: string, all: readonly FoundRecord[]): string[] {
  const bodies = new Set(all.map(({ key, value }) => `${key} ${value?.replace(/"repeat":(true|false)/, '')}`));
  return bodies.size > 1 ? [`${stream}: ${id} was sent with different content`] : [];
}

/** Records of a device that are no repeats stand in one partition, in the order in which they were accepted. What bears no mark is a repeat when its id is known. */
function disorder(stream: string, records: readonly NamedRecord[]): string[] {
  const known = new Set<string>();
  const first = records.filter(({ id, value }) => {
    const isKnown = known.has(id);
    known.add(id);
    return value?.includes('"repeat":') === true ? !value.includes('"repeat":true') : !isKnown;
  });
  return [...group(first, ({ key }) => key ?? '')].flatMap(([key, all]) => {
    if (new Set(all.map(({ partition }) => partition)).size > 1) return [`${stream}: ${key} is in several partitions`];
    const inOrder = all.map(acceptance);
    const wrong = inOrder.some(([start, seq], at) => {
      const [startBefore, seqBefore] = inOrder[at - 1] ?? [0, 0];
      return start < startBefore || (start === startBefore && seq <= seqBefore);
    });
    return wrong ? [`${stream}: ${key} is not in order`] : [];
  });
}

/** `ps-12/41-k3v9q0za/88213` → start 41, seq 88213. */
function acceptance({ id }: NamedRecord): [start: number, seq: number] {
  const [, epoch = '', seq = ''] = id.split('/');
  return [Number.parseInt(epoch), Number(seq)];
}

function group<T>(items: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const name = by(item);
    const all = found.get(name);
    if (all === undefined) found.set(name, [item]);
    else all.push(item);
  }
  return found;
}
