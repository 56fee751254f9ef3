/**
 * Cuts the power at some places of a recording and judges each restart: `cut-range.ts LOG OPTIONS`, OPTIONS as JSON (CutRange). One line of JSON on standard output:
 * CutSum.
 */
import type { GatewayEvent } from '../../agent/reading.ts';
import type { Mark } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { Disk } from './disk.ts';
import type { AfterCut, DiskModel } from './disk.ts';
import { readLog } from './log.ts';
import { below, randomFrom } from './random.ts';
import { bufferPath } from './record.ts';
import { restart } from './restart.ts';

export interface CutRange {
  readonly seed: number;
  /** Cuts in all, over the whole recording; this process makes numbers `from` to below `to`. */
  readonly cuts: number;
  readonly from: number;
  readonly to: number;
  readonly cacheOps?: number;
}

export interface CutFault {
  readonly cut: number;
  /** Between which operations. */
  readonly where: string;
  readonly model: DiskModel;
  readonly what: string;
}

export interface CutAlarm extends CutFault {
  /** What was told of segments beside which nothing lies that had been removed before the cut. */
  readonly unexplained: readonly string[];
}

export interface CutSum {
  readonly cuts: number;
  readonly failedStarts: readonly CutFault[];
  readonly wrong: readonly CutFault[];
  /** Cuts that lost anything accepted. */
  readonly losing: readonly CutFault[];
  readonly accepted: number;
  /** Files that the recorded process moved under another name. */
  readonly copies: number;
  readonly lost: number;
  /** Of the lost, what an event speaks of. */
  readonly told: number;
  /** Of the lost, what none speaks of though a segment that lies there begins behind it. */
  readonly passedOver: Readonly<Record<DiskModel, number>>;
  readonly repeats: number;
  /** Cuts after which an event of severity `error` was told. */
  readonly alarmed: readonly CutAlarm[];
  /** Events of the restarts, by name and severity. */
  readonly events: Readonly<Record<string, number>>;
}

const atOnce = 6;

const [logFile = '', options = '{}'] = process.argv.slice(2);
const { seed, cuts, from, to, cacheOps } = JSON.parse(options) as CutRange;
const ops = readLog(logFile);
const ledger = new Ledger();
for (const [at, op] of ops.entries())
  if (op.kind === 'mark')
    for (const line of Buffer.from(op.data).toString().split('\n'))
      if (line !== '') ledger.note(JSON.parse(line) as Mark, at);

const disks = new Map(
  (['journal', 'posix'] as const).map((model) => [model, new Disk(model, cacheOps === undefined ? {} : { cacheOps })]),
);
const sum = {
  cuts: 0,
  failedStarts: [] as CutFault[],
  wrong: ledger.wrong.map((what): CutFault => ({ cut: -1, where: 'before any cut', model: 'journal', what })),
  losing: [] as CutFault[],
  alarmed: [] as CutAlarm[],
  accepted: 0,
  copies: ops.filter(({ kind }) => kind === 'rename').length,
  lost: 0,
  told: 0,
  passedOver: { journal: 0, posix: 0 },
  repeats: 0,
  events: {} as Record<string, number>,
};

let done = 0;
const running = new Set<Promise<void>>();
for (let cut = from; cut < to; cut++) {
  const at = Math.floor(((cut + 1) * ops.length) / cuts);
  for (; done < at; done++) {
    const op = ops[done];
    if (op) for (const disk of disks.values()) disk.apply(op);
  }
  const random = randomFrom(seed * 1_000_003 + cut);
  const model = random() < 0.5 ? 'journal' : 'posix';
  const left = disks.get(model)?.afterCut(random) ?? { files: new Map<string, never>(), returned: new Set<string>() };
  const work = judged(cut, at, model, left, below(10, random) === 0);
  running.add(work);
  void work.finally(() => running.delete(work));
  if (running.size >= atOnce) await Promise.race(running);
}
await Promise.all(running);
process.stdout.write(`${JSON.stringify(sum satisfies CutSum)}\n`);

async function judged(
  cut: number,
  at: number,
  model: DiskModel,
  { files, returned }: AfterCut,
  twice: boolean,
): Promise<void> {
  const [last, next] = [ops[at - 1], ops[at]].map((op) => (op ? `${op.kind} ${op.path}` : 'the end'));
  const fault = (what: string): CutFault => ({ cut, where: `after ${last}, before ${next}`, model, what });
  sum.cuts += 1;
  try {
    const drained = await restart(files, { twice });
    const { lost, untold, wrong, repeats } = ledger.judge(drained, at, cacheOps === undefined);
    const told = lost.length - untold.length;
    const lastBegins = Math.max(
      0,
      ...[...files.keys()].map((path) => Number(/\/(\d{12})-[^/]*\.db$/.exec(path)?.[1] ?? 0)),
    );
    sum.accepted += ledger.acceptedBefore(at);
    sum.lost += lost.length;
    sum.told += told;
    sum.passedOver[model] += untold.filter((id) => Number(id.split('/')[1]) < lastBegins).length;
    sum.repeats += repeats;
    for (const { event, severity } of drained.events) {
      const name = `${event} ${severity}`;
      sum.events[name] = (sum.events[name] ?? 0) + 1;
    }
    const alarms = drained.events.filter(({ severity }) => severity === 'error');
    if (alarms.length > 0)
      sum.alarmed.push({
        ...fault(alarms.map(({ message }) => message).join(' | ')),
        unexplained: alarms.flatMap((event) => (returnedBeside(event, returned) === null ? [event.message] : [])),
      });
    if (lost.length > 0) sum.losing.push(fault(`${lost.length} lost, ${told} told: ${lost.slice(0, 3).join(' ')} …`));
    if (wrong.length > 0) sum.wrong.push(fault(wrong.slice(0, 3).join('; ')));
  } catch (error) {
    sum.failedStarts.push(fault(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  }
}

/**
 * A file of the event's segment that had been removed, and is there again since the removal was not synced: the index of a WAL that is no more (`-shm`), the
 * rollback journal of a segment that was being made (`-journal`). With it the segment looks damaged, and nobody could tell. null: there is none.
 */
function returnedBeside({ facts }: GatewayEvent, returned: ReadonlySet<string>): string | null {
  const segment = facts?.['segment'];
  if (typeof segment !== 'string') return null;
  return ['-shm', '-journal', '-wal'].find((tail) => returned.has(`${bufferPath}/${segment}.db${tail}`)) ?? null;
}
