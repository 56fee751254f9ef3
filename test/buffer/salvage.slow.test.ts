import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedSite, dice, harm, harms, read, toldAsLost } from '../support/damaged-site.ts';

/** Each of them once; by hand: `SLUICE_SEEDS=1000`. */
const seeds = Number(process.env['SLUICE_SEEDS'] ?? 300);
const someMinutes = 600_000;

const site = new DamagedSite();
beforeAll(() => site.fill(2));
afterAll(() => site.remove());

describe.each(Object.keys(harms))('%s in a segment', (kind) => {
  it(
    `alter no value in ${seeds} cases, and what is not given is told, no more than that`,
    () => {
      for (let seed = 1000; seed < 1000 + seeds; seed++) {
        const folder = site.copy();
        const next = dice(seed);
        harm(join(folder, site.segments()[next(site.segments().length)] ?? ''), kind, next);
        const { altered, silent, given, events } = read(folder, site.accepted, seed % 2 === 0);
        const known = given + toldAsLost(events);
        expect({ seed, altered, silent, known }).toEqual({ seed, altered: [], silent: [], known: site.accepted });
        site.remove(folder);
      }
    },
    someMinutes,
  );
});
