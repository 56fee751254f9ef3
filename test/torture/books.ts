/** The books of a run: what was accepted is given, or told as lost by an event that was accepted later. Shares nothing with what it judges. */
import { judge } from '../faults/checker.ts';
import type { Delivered } from '../faults/checker.ts';

interface Accepted {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  /** In which order all were accepted. */
  readonly at: number;
}

/** What an event says may be missing. */
interface Told {
  readonly id: string;
  readonly event: string;
  /** null: of any. */
  readonly stream: string | null;
  readonly epoch: string | null;
  readonly first: number;
  readonly last: number;
  /** null: nobody can know. */
  readonly count: number | null;
  /** Only what was accepted before it. */
  readonly at: number;
}

export interface Books {
  readonly accepted: number;
  readonly delivered: number;
  readonly repeated: number;
  /** Accepted, never given, and told: by a loss with its count, by a possible loss. */
  readonly toldLost: number;
  readonly toldPossible: number;
  /** What the events of loss say together. */
  readonly countOfLosses: number;
  /** Accepted, neither given nor told. */
  readonly silent: readonly string[];
  readonly wrong: readonly string[];
}

/** `tap`: lines `epoch stream first-last,…`. */
export function booksOf(tap: string, gateway: string, delivered: readonly Delivered[]): Books {
  const wrong: string[] = [];
  const accepted = new Map<string, Accepted>();
  for (const [epoch = '', stream = '', ranges = ''] of tap.split('\n').map((line) => line.split(' ')))
    for (const range of ranges.split(',').filter((text) => text !== '')) {
      const [first = 0, last = first] = range.split('-').map(Number);
      for (let seq = first; seq <= last; seq++) {
        const id = `${gateway}/${epoch}/${seq}`;
        if (accepted.has(id)) wrong.push(`${id} was given out twice`);
        accepted.set(id, { stream, epoch, seq, at: accepted.size });
      }
    }
  const verdict = judge([...accepted.keys()], delivered);
  wrong.push(...verdict.altered.map((id) => `${id} was altered`));
  wrong.push(...verdict.disordered.map((id) => `${id} came out of order`));
  const told = tellings(delivered, accepted);
  const lossOf = (id: string, events: readonly Told[]): Told | undefined => {
    const entry = accepted.get(id);
    return entry && events.find((one) => covers(one, entry));
  };
  const losses = told.filter(({ event }) => event === 'loss');
  const counted = new Map<Told, number>();
  const silent: string[] = [];
  let toldPossible = 0;
  for (const id of verdict.lost) {
    const loss = lossOf(id, losses);
    if (loss) counted.set(loss, (counted.get(loss) ?? 0) + 1);
    else if (lossOf(id, told)) toldPossible += 1;
    else silent.push(id);
  }
  for (const [{ id, count }, lost] of counted)
    if (lost > (count ?? 0)) wrong.push(`${id} tells of ${count} entries, but ${lost} are missing`);
  return {
    accepted: accepted.size,
    delivered: verdict.delivered,
    repeated: verdict.repeated,
    toldLost: verdict.lost.length - silent.length - toldPossible,
    toldPossible,
    countOfLosses: losses.reduce((sum, { count }) => sum + (count ?? 0), 0),
    silent,
    wrong,
  };
}

function covers(told: Told, { stream, epoch, seq, at }: Accepted): boolean {
  return (
    at < told.at &&
    seq >= told.first &&
    seq <= told.last &&
    (told.stream === null || told.stream === stream) &&
    (told.epoch === null || told.epoch === epoch)
  );
}

function tellings(delivered: readonly Delivered[], accepted: ReadonlyMap<string, Accepted>): Told[] {
  const byId = new Map<string, Told>();
  for (const { value } of delivered) {
    const { id, event, facts } = JSON.parse(value) as { id: string; event?: string; facts?: Record<string, unknown> };
    if (event !== 'loss' && event !== 'possible-loss') continue;
    const { firstSeq, lastSeq, stream, epoch, count } = facts ?? {};
    if (typeof firstSeq !== 'number') continue;
    byId.set(id, {
      id,
      event,
      stream: typeof stream === 'string' ? stream : null,
      epoch: typeof epoch === 'string' ? epoch : null,
      first: firstSeq,
      last: typeof lastSeq === 'number' ? lastSeq : Infinity,
      count: typeof count === 'number' ? count : null,
      at: accepted.get(id)?.at ?? Infinity,
    });
  }
  return [...byId.values()];
}
