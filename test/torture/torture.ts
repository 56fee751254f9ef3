/**
 * `npm run torture -- ROW [--minutes N] [--seed S]`: one row of the faults, by hand and for long. Exit code 0: all held; 1: what did not is printed; 2: usage.
 */
import { parseArgs } from 'node:util';
import { cuts } from './row-cuts.ts';
import { memory, outage } from './row-floods.ts';
import { kills } from './row-kills.ts';
import { nemesis } from './row-nemesis.ts';
import { opcua } from './row-opcua.ts';
import { starvation } from './row-starvation.ts';
import type { Row } from './row.ts';
import { noShim } from './shim.ts';

const rows: Readonly<Record<string, Row>> = {
  1: kills,
  2: cuts,
  16: outage,
  31: memory,
  32: starvation,
  35: nemesis,
  opcua,
};

const usage = `usage: npm run torture -- ROW [--minutes N] [--seed S]
${Object.entries(rows)
  .map(([name, { about }]) => `  ${name.padStart(5)}  ${about}`)
  .join('\n')}`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const row = rows[positionals[0] ?? ''];
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (row === undefined || !(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error(usage);
  process.exitCode = 2;
} else if (noShim !== undefined) {
  console.error(noShim);
  process.exitCode = 2;
} else {
  const startMs = performance.now();
  const say = (text: string): void =>
    console.log(`${String(Math.round((performance.now() - startMs) / 1_000)).padStart(5)} s  ${text}`);
  console.log(`row ${positionals[0]}: ${row.about}; --minutes ${minutes} --seed ${seed}`);
  const wrong = await row.run({ seed, minutes, say });
  for (const text of wrong) console.error(`WRONG ${text}`);
  console.log(wrong.length === 0 ? 'all held' : `${wrong.length} wrong`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
