import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedSite, dice, harm, harms, read, toldAsLost } from '../support/damaged-site.ts';

const site = new DamagedSite();
beforeAll(() => site.fill(2));
afterAll(() => site.remove());

it('what nobody damaged is given whole, and nothing is told', () => {
  expect(read(site.copy(), site.accepted)).toEqual({ altered: [], silent: [], given: site.accepted, events: [] });
});

describe.each(Object.keys(harms))('%s in a segment', (kind) => {
  it.each([1, 2, 3, 4])('alter no value, and what is not given is told once (seed %i)', (seed) => {
    const folder = site.copy();
    const next = dice(seed);
    harm(join(folder, site.segments()[next(site.segments().length)] ?? ''), kind, next);
    const { altered, silent, given, events } = read(folder, site.accepted, seed % 2 === 0);
    expect({ altered, silent }).toEqual({ altered: [], silent: [] });
    expect(given + toldAsLost(events)).toBe(site.accepted);
    // What was written anew is a segment like any other.
    expect(read(folder, site.accepted)).toMatchObject({ altered: [], given, events: [] });
    site.remove(folder);
  });
});
