import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noKafka } from '../support/kafka.ts';
import { below, randomFrom } from '../torture/random.ts';
import { noShim, Shim } from '../torture/shim.ts';
import { acceptedIds, gapsIn, judge } from './checker.ts';
import { FaultSite, pollsOf } from './site.ts';
import type { DeliveredRecord } from './site.ts';

const kills = 20;
const commitEveryMs = 200;
const pollEveryMs = 100;

describe.skipIf((noKafka ?? noShim) !== undefined)(`kill -9 at random moments, ${kills} times`, () => {
  let site: FaultSite;
  let shim: Shim | undefined;
  let delivered: DeliveredRecord[];
  let exitCode: number | null;
  /** Of the daemons that ended inside a commit. */
  const ends: (number | null)[] = [];
  /** `SLUICE_SEED=N` repeats one. */
  const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
  const random = randomFrom(seed);

  beforeAll(async () => {
    console.log(`SLUICE_SEED=${seed}`);
    site = await FaultSite.start({ meters: 3, pollEveryMs, commitEveryMs });
    const folder = join(site.folder, 'state');
    mkdirSync(folder);
    shim = new Shim({ folder, seed });
    for (let kill = 0; kill < kills; kill++) {
      const isInCommit = kill % 4 === 3;
      if (isInCommit) {
        // For certain inside a commit: written, not yet synced or told.
        shim.setRules([`sync *-wal nth=${2 + below(10, random)} exit`]);
        site.daemon.start(shim.env);
        ends.push(await site.daemon.ended);
        continue;
      }
      site.daemon.start();
      await sleep(50 + random() * 1950);
      // These wait for the next write to a WAL, to fall about there.
      if (kill % 4 === 1) await site.daemon.nextCommitBegins();
      await site.daemon.end('SIGKILL');
    }
    site.daemon.start();
    await sleep(3_000);
    exitCode = await site.daemon.end('SIGTERM');
    delivered = await site.delivered();
  }, 180_000);

  afterAll(async () => {
    await site?.remove();
    shim?.remove();
  });

  it('delivers every accepted sequence number, repeats only what is marked, and keeps the order of each device', () => {
    expect(exitCode).toBe(0);
    expect(new Set(ends)).toEqual(new Set([137]));
    const verdict = judge(acceptedIds(site.daemon.tap(), 'ps-12'), delivered);
    console.log({ ...verdict, lost: verdict.lost.length });
    expect(verdict.accepted).toBeGreaterThan(kills * 5);
    // Delivered, yet never told as accepted: kills did fall between a commit and its announcement.
    expect(verdict.delivered).toBeGreaterThan(verdict.accepted);
    expect(verdict.lost).toEqual([]);
    expect(verdict.altered).toEqual([]);
    expect(verdict.disordered).toEqual([]);
  });

  it('misses only polls of the last commitEvery before a kill', () => {
    for (const unitId of site.units) {
      const epochs = pollsOf(delivered, unitId);
      // Polls of all points at the same slot are one request; an attempt under way at the kill is served and never seen.
      const most = Math.ceil(commitEveryMs / pollEveryMs) * 2 + 3;
      for (const gap of gapsIn([...epochs.keys()])) {
        expect(gap.missing, `EM-${unitId} after poll ${gap.after}`).toBeLessThanOrEqual(most);
        expect(epochs.get(gap.after), `EM-${unitId} after poll ${gap.after}: a gap without a kill`).not.toBe(
          epochs.get(gap.before),
        );
      }
    }
  });

  it('answers no slot of a counter twice', () => {
    const slots = new Map<string, string>();
    for (const { record } of delivered.filter((one) => one.record['kind'] === 'counter')) {
      const slot = `${String(record['device'])} ${String(record['slot'])}`;
      const id = String(record['id']);
      expect(`${slot}: ${slots.get(slot) ?? id}`).toBe(`${slot}: ${id}`);
      slots.set(slot, id);
    }
    expect(slots.size).toBeGreaterThan(site.units.length * 5);
  });
});
