import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CutFault, CutRange, CutSum } from './cut-range.ts';

const cutRange = fileURLToPath(new URL('cut-range.ts', import.meta.url));

/** Cuts of one process: what a failed start has open stays open. */
const mostPerProcess = 1_250;
const processes = 2;

/** Cuts the power `cuts` times, spread over the whole recording, and adds up what the restarts showed. */
export async function cutPower(
  log: string,
  { cuts, ...options }: Omit<CutRange, 'from' | 'to'>,
  progress?: (cuts: number) => void,
): Promise<CutSum> {
  const ranges = Array.from({ length: Math.ceil(cuts / mostPerProcess) }, (_, at) => ({
    ...options,
    cuts,
    from: at * mostPerProcess,
    to: Math.min(cuts, (at + 1) * mostPerProcess),
  }));
  const sums: CutSum[] = [];
  const work = async (): Promise<void> => {
    for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
      sums.push(await cutOne(log, range));
      progress?.(sums.reduce((all, sum) => all + sum.cuts, 0));
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return added(sums);
}

/** A process of its own cuts one range. */
export function cutOne(log: string, range: CutRange): Promise<CutSum> {
  const child = spawn(process.execPath, [cutRange, log, JSON.stringify(range)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(said.stdout) as CutSum);
      else reject(new Error(`cuts ${range.from} to ${range.to} ended with ${String(code)}:\n${said.stderr}`));
    });
  });
}

/** For a person: one line of figures, then what was wrong, the first of each kind. */
export function reportOf(sum: CutSum): string {
  const { cuts, accepted, lost, told, passedOver, repeats, failedStarts, wrong, losing, alarmed } = sum;
  const events = Object.entries(sum.events).map(([name, count]) => `${count} ${name}`);
  return [
    `${cuts} cuts: ${failedStarts.length} failed to start, ${losing.length} lost something (${lost} of ${accepted} accepted entries, ${told} of them told, ${passedOver.journal + passedOver.posix} passed over), ${repeats} repeats, ${wrong.length} wrong`,
    `events: ${events.join(', ') || 'none'}`,
    ...firstOf('failed to start', failedStarts),
    ...firstOf('wrong', wrong),
    ...firstOf('lost', losing),
    ...firstOf('alarm', alarmed),
    ...firstOf(
      'unexplained alarm',
      alarmed.filter(({ unexplained }) => unexplained.length > 0),
    ),
  ].join('\n');
}

function firstOf(name: string, faults: readonly CutFault[]): string[] {
  return faults.slice(0, 5).map(({ cut, where, model, what }) => `${name}: cut ${cut} (${model}) ${where}: ${what}`);
}

function added(sums: readonly CutSum[]): CutSum {
  const number = (of: (sum: CutSum) => number): number => sums.reduce((all, sum) => all + of(sum), 0);
  const events: Record<string, number> = {};
  for (const sum of sums)
    for (const [name, count] of Object.entries(sum.events)) events[name] = (events[name] ?? 0) + count;
  return {
    cuts: number((sum) => sum.cuts),
    failedStarts: sums.flatMap((sum) => sum.failedStarts),
    wrong: sums.flatMap((sum) => sum.wrong),
    losing: sums.flatMap((sum) => sum.losing),
    alarmed: sums.flatMap((sum) => sum.alarmed),
    accepted: number((sum) => sum.accepted),
    copies: sums[0]?.copies ?? 0,
    lost: number((sum) => sum.lost),
    told: number((sum) => sum.told),
    passedOver: {
      journal: number((sum) => sum.passedOver.journal),
      posix: number((sum) => sum.passedOver.posix),
    },
    repeats: number((sum) => sum.repeats),
    events,
  };
}
