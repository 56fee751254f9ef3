import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealedIn } from '../../buffer/segments/sealed-list.ts';
import { DamagedSite, dice, harm, harms, read, toldAsLost } from '../support/damaged-site.ts';
import { listSegments, relist, sealedLines } from '../support/sealed-lines.ts';

/** Each of them once; by hand: `SLUICE_SEEDS=1000`. */
const seeds = Number(process.env['SLUICE_SEEDS'] ?? 300);
const someMinutes = 600_000;
/** Of these cases fewer: they differ from the others in how a start comes to know of the segment. */
const seedsListed = Math.ceil(seeds / 3);

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

  it(
    `are told as well in ${seedsListed} cases where the start believes the list of sealed segments`,
    () => {
      for (let seed = 5000; seed < 5000 + seedsListed; seed++) {
        const folder = site.copy();
        listSegments(folder);
        const next = dice(seed);
        // Of the newest the list is never asked.
        const names = site.segments(folder).slice(0, -1);
        const name = names[next(names.length)] ?? '';
        const lines = sealedLines(folder);
        harm(join(folder, name), kind, next);
        relist(folder, lines);
        expect(sealedIn(folder)(join(folder, name), name.slice(0, -'.db'.length))).not.toBeNull();
        const { altered, silent, given, events } = read(folder, site.accepted, seed % 2 === 0);
        const known = given + toldAsLost(events);
        expect({ seed, altered, silent, known }).toEqual({ seed, altered: [], silent: [], known: site.accepted });
        site.remove(folder);
      }
    },
    someMinutes,
  );
});
