import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { NewestSlots } from '../../buffer/newest-slots.ts';
import { Store } from '../../buffer/store.ts';
import { laneStats } from '../../buffer/view/view-lanes.ts';
import { BufferView } from '../../buffer/view/view.ts';
import { BufferFolder } from '../support/buffer-folder.ts';
import { DamagedSite, dice, harms, read } from '../support/damaged-site.ts';
import { reading } from '../support/readings.ts';
import { listSegments, relist, sealedLines } from '../support/sealed-lines.ts';
import type { SealedLane, SealedLine } from '../support/sealed-lines.ts';

const site = new DamagedSite();
beforeAll(() => site.fill(3, new NewestSlots().pack(null)));
afterAll(() => site.remove());

const options = (path: string) => ({ path, maxBytes: 64_000_000 });

/** A copy with a list that holds for its files. */
function listed(): string {
  const folder = site.copy();
  listSegments(folder);
  return folder;
}

/** Of each segment the list says that its first lane holds one entry more. */
function lie(folder: string): void {
  const more = (lane: SealedLane = null): SealedLane => lane && [lane[0], lane[1], lane[2] + 1];
  relist(
    folder,
    sealedLines(folder).map(([segment, stamp, removed, [lane, ...others]]) => [
      segment,
      stamp,
      removed,
      [more(lane), ...others],
    ]),
  );
}

function waitingAtStart(folder: string): number {
  const store = new Store(options(folder), () => undefined);
  const [waiting = 0] = store.opened().waiting;
  store.close([]);
  return waiting;
}

describe('the list of sealed segments', () => {
  it('names each segment as it is sealed, so that a kill leaves it', async () => {
    const folder = new BufferFolder();
    const buffer = await folder.opened({ maxBytes: 1_300_000, commitEveryMs: 1 });
    const next = dice(7);
    for (let commit = 0; commit < 30 && folder.segments().length < 4; commit++) {
      const text = Array.from({ length: 30_000 }, () => String.fromCharCode(33 + next(90))).join('');
      await buffer.append('meter-readings', [reading({ text })]);
    }
    const [names, noted] = [folder.segments(), sealedLines(folder.path).map(([segment]) => `${segment}.db`)];
    expect(noted.length).toBeGreaterThan(2);
    expect(noted.length).toBeGreaterThanOrEqual(names.length - 1);
    expect(noted).toEqual(names.slice(0, noted.length));
    await folder.remove();
  });

  it('saves a start the opening of all but the newest', () => {
    const folder = listed();
    const [waiting, segments] = [waitingAtStart(folder), site.segments(folder).length];
    lie(folder);
    expect(waitingAtStart(folder)).toBe(waiting + segments - 1);
  });

  it.each<[string, (file: string) => void]>([
    ['touched', (file) => utimesSync(file, statSync(file).atime, statSync(file).mtime)],
    ['written over', (file) => writeFileSync(file, readFileSync(file))],
    ['replaced by a copy', (file) => (copyFileSync(file, `${file}.new`), renameSync(`${file}.new`, file))],
    ['beside a WAL', (file) => writeFileSync(`${file}-wal`, '')],
  ])('is not believed of a segment that was %s', (_, change) => {
    const folder = listed();
    const waiting = waitingAtStart(folder);
    lie(folder);
    for (const name of site.segments(folder)) change(join(folder, name));
    expect(waitingAtStart(folder)).toBe(waiting);
  });

  it.each<[string, (file: string) => void]>([
    ['missing', (file) => rmSync(file)],
    ['empty', (file) => writeFileSync(file, '')],
    ['something else', (file) => writeFileSync(file, 'whatever\n'.repeat(1000))],
    ['of other segments', (file) => writeFileSync(file, readFileSync(join(site.folder, 'sealed.list')))],
    ...[1, 2].flatMap((seed) =>
      Object.entries(harms).map(([harm, harmed]): [string, (file: string) => void] => [
        `harmed by ${harm} (seed ${seed})`,
        (file) => writeFileSync(file, harmed(readFileSync(file), dice(seed))),
      ]),
    ),
  ])('that is %s costs time alone, and is made anew', (_, harm) => {
    const folder = listed();
    harm(join(folder, 'sealed.list'));
    const names = site.segments(folder);
    waitingAtStart(folder);
    expect(new Set(sealedLines(folder).map(([segment]) => `${segment}.db`))).toEqual(new Set(names));
    const { altered, silent, given, events } = read(folder, site.accepted);
    expect({ altered, silent, given, events }).toEqual({ altered: [], silent: [], given: site.accepted, events: [] });
  });

  it('that tells something else than the file hides nothing', () => {
    const folder = listed();
    lie(folder);
    const { altered, silent, given } = read(folder, site.accepted);
    expect({ altered, silent, given }).toEqual({ altered: [], silent: [], given: site.accepted });
  });

  it.each([1, 2, 3, 4])('hides no damage that its files took since (seed %i)', (seed) => {
    const folder = listed();
    const next = dice(seed);
    for (const name of site.segments(folder).slice(0, -1)) {
      const file = join(folder, name);
      const harm = Object.values(harms)[next(4)];
      if (next(2) === 0 && harm) writeFileSync(file, harm(readFileSync(file), next));
    }
    relist(folder, sealedLines(folder));
    expect(read(folder, site.accepted, seed % 2 === 0)).toMatchObject({ altered: [], silent: [] });
  });

  it('tells that an emptied newest segment is no ruin of a start that was cut short', () => {
    const folder = listed();
    const newest = site.segments(folder).at(-1) ?? '';
    rmSync(join(folder, 'lock.db'));
    writeFileSync(join(folder, newest), '');
    const view = BufferView.open(folder);
    expect(view?.unreadable).toMatchObject([{ segment: newest.replace('.db', '') }]);
    view?.close();
    const { silent, given, events } = read(folder, site.accepted);
    expect(silent).toEqual([]);
    expect(given).toBeLessThan(site.accepted);
    expect(events.map(({ event }) => event)).toContain('loss');
  });

  it('leaves damage no longer untold than until there is a quiet moment, with no reader', () => {
    const folder = listed();
    const [name = ''] = site.segments(folder).slice(2);
    const lines = sealedLines(folder);
    const lanes = lines.find(([segment]) => `${segment}.db` === name)?.[3] ?? [];
    writeFileSync(join(folder, name), Buffer.alloc(40_000, 7));
    relist(folder, lines);
    const events: GatewayEvent[] = [];
    const store = new Store(options(folder), (event) => events.push(event));
    store.opened();
    expect(events).toEqual([]);
    while (store.mend());
    store.close([]);
    // What the list told is told as lost, by lane, though nothing of the file is left.
    const lost = lanes.flatMap((lane) =>
      lane ? [{ facts: { firstSeq: lane[0], lastSeq: lane[1], count: lane[2] } }] : [],
    );
    expect(events.filter(({ event }) => event === 'loss')).toMatchObject(lost);
    expect(existsSync(join(folder, 'quarantine', name))).toBe(true);
  });

  it('does not let a segment be removed on its word', () => {
    const folder = listed();
    const names = site.segments(folder);
    // All of them delivered, as the list has it: its first lane ends with its first entry.
    const short = sealedLines(folder).map(([segment, stamp, removed, lanes]): SealedLine => {
      const cut = lanes.map((lane): SealedLane => lane && [lane[0], lane[0], 1]);
      return [segment, stamp, removed, cut];
    });
    relist(folder, short);
    const store = new Store(options(folder), () => undefined);
    store.opened();
    const first = Number.parseInt(names[1] ?? '', 10);
    for (const lane of [0, 1]) store.settle(lane, first, first + 1);
    store.close([]);
    expect(site.segments(folder)).toEqual(expect.arrayContaining(names));
  });

  it('gives `stats` what the files would, and is not asked by whoever looks closer', () => {
    const folder = listed();
    const statsOf = (isQuick: boolean) => {
      const view = BufferView.open(folder, { isQuick });
      try {
        return view && laneStats(view);
      } finally {
        view?.close();
      }
    };
    const slow = statsOf(false);
    expect(statsOf(true)).toEqual(slow);
    lie(folder);
    expect(statsOf(false)).toEqual(slow);
    expect(statsOf(true)?.lanes[0]?.waiting).toBeGreaterThan(slow?.lanes[0]?.waiting ?? 0);
  });
});
