import type { CounterRule, Rate } from '../screen/counters.ts';
import type { Kind } from '../reading.ts';
import type { ReportRule } from '../screen/report.ts';
import { durationText } from './grammar.ts';
import { nearest, type Levels } from './levels.ts';
import { quoted, type Problems } from './problems.ts';
import { child, valueOf } from './source.ts';

export interface Rules {
  /** null: every reading is sent. */
  readonly report: ReportRule | null;
  /** null: it is no counter. */
  readonly counter: CounterRule | null;
}

interface Owner {
  readonly device: string;
  readonly problems: Problems;
}

interface Stated {
  readonly report?: 'every' | 'change';
  readonly deadband?: number;
  readonly maxAge?: number;
  readonly modulus?: number;
  readonly maxRate?: Rate;
  readonly decreases?: boolean;
}

/** What is done with a point's readings. Tells what the keys say against each other. */
export function rulesOf(levels: Levels, kind: Kind, everyMs: number, owner: Owner): Rules {
  const keys = ['report', 'deadband', 'maxAge', 'modulus', 'maxRate', 'decreases'];
  const stated = Object.fromEntries(keys.map((key) => [key, nearest(levels, key, true)])) as Stated;
  const tell = (key: string, by: string, message: string): void => tellAt(levels, key, by, message, owner);
  const onChange = stated.report === 'change';
  if (kind === 'counter') {
    if (onChange) tell('report', 'kind', eachTime('report'));
    for (const key of ['deadband', 'maxAge']) tell(key, 'kind', eachTime(key));
    if (stated.decreases === true && stated.modulus !== undefined)
      tell(
        'decreases',
        'modulus',
        'a counter that may fall has no total at which it begins again; drop one of the two',
      );
  } else {
    for (const key of ['modulus', 'maxRate', 'decreases'])
      tell(key, 'kind', `for counters only, this is a ${kind}; write "kind": "counter", or drop ${key}`);
    for (const key of onChange ? [] : ['deadband', 'maxAge'])
      tell(key, 'report', `it stands beside "report": "change"; add that, or drop ${key}`);
  }
  const maxAgeMs = stated.maxAge ?? null;
  if (onChange && kind !== 'gauge' && kind !== 'counter')
    tell('deadband', 'kind', `for gauges only, this is a ${kind}; drop deadband`);
  if (onChange && maxAgeMs !== null && maxAgeMs < everyMs)
    tell('maxAge', 'every', `shorter than every (${durationText(everyMs)}); allowed: every or longer`);
  return {
    report: onChange ? { deadband: stated.deadband ?? 0, maxAgeMs } : null,
    counter:
      kind === 'counter'
        ? {
            modulus: stated.modulus ?? null,
            maxRate: stated.maxRate ?? null,
            decreases: stated.decreases ?? false,
          }
        : null,
  };
}

const eachTime = (key: string): string => `a counter is sent at each of its times; drop ${key}`;

/** At `key` where it is stated; a profile's key that the device made idle by stating `by` itself is no mistake. */
function tellAt({ own, inProfile }: Levels, key: string, by: string, message: string, owner: Owner): void {
  const level = [own, inProfile].find((each) => each?.stated.has(key) === true);
  const node = level === undefined ? undefined : child(level.node, key);
  if (node === undefined || (level === inProfile && own?.stated.has(by) === true)) return;
  owner.problems.atValue('error', node, `${key} is ${quoted(valueOf(node))}; ${message}`, owner.device);
}
