import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedSite, dice, harm, harms, read, toldAsLost } from '../support/damaged-site.ts';

const site = new DamagedSite();
beforeAll(() => site.fill(2));
afterAll(() => site.remove());

it('what nobody damaged is given whole, and nothing is told', () => {
  expect(read(site.copy(), site.accepted)).toEqual({ altered: [], silent: [], given: site.accepted, events: [] });
});

it('a damaged segment that was written anew is kept as it was', () => {
  const folder = site.copy();
  const name = site.segments()[1] ?? '';
  const before = readFileSync(join(folder, name)).fill(0, 0, 512);
  writeFileSync(join(folder, name), before);
  const { events } = read(folder, site.accepted, true);
  expect(events.at(-1)).toMatchObject({ event: 'quarantine', facts: { segment: name.replace('.db', '') } });
  expect(readFileSync(join(folder, 'quarantine', name)).equals(before)).toBe(true);
  expect(readFileSync(join(folder, name)).equals(before)).toBe(false);
});

/** Where the names of tables and columns lie in a file, for each a letter. */
function namesIn(bytes: Buffer): number[] {
  const words = /(?<=CREATE TABLE |[(,]\s*)[a-z]+/g;
  return [...bytes.toString('latin1', 0, 4096).matchAll(words)].map(({ index }) => index);
}

it('a letter of a table or column that is another one costs no entry', () => {
  const name = site.segments()[0] ?? '';
  const places = namesIn(readFileSync(join(site.folder, name)));
  expect(places.length).toBeGreaterThan(25);
  // `body` becomes `rody`, and `Body`, which is the same name to SQLite.
  for (const [place, flip] of places.flatMap((one) => [[one, 0x10] as const, [one, 0x20] as const])) {
    const folder = site.copy();
    const bytes = readFileSync(join(folder, name));
    bytes[place] = (bytes[place] ?? 0) ^ flip;
    writeFileSync(join(folder, name), bytes);
    const { altered, given, events } = read(folder, site.accepted);
    expect({ place, flip, altered, given, lost: toldAsLost(events) }).toEqual({
      place,
      flip,
      altered: [],
      given: site.accepted,
      lost: 0,
    });
    site.remove(folder);
  }
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
