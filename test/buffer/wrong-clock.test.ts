import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { laterSlotMs, packLaterSlot } from '../../buffer/frames/later-slot.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { began, Pi } from '../support/pi.ts';
import { pointInfo, reading } from '../support/readings.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const gauge = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });

let folder: BufferFolder;
let pi: Pi;
beforeEach(() => {
  folder = new BufferFolder();
  pi = new Pi(folder);
});
afterEach(async () => {
  await pi.stops();
  await folder.remove();
});

const marks = (): string[] => pi.sent.map(({ clock }) => clock);
const said = (readings: string): GatewayEvent[] =>
  folder.told('clock-step').filter(({ facts }) => facts?.['readings'] === readings);

describe('a boot whose clock is known to be wrong', () => {
  it.each([
    ['1970', 0],
    ['an hour ago', began - hourMs],
    ['2038', Date.parse('2038-01-19T03:14:07Z')],
  ])('in %s: its readings wait, and have their true time when it synchronises after 3 min', async (_, wall) => {
    await pi.boots(wall, 'unsynced');
    for (let minute = 0; minute < 3; minute++) {
      await pi.reads();
      await pi.reads({ point: gauge });
      await pi.passes(minuteMs);
    }
    await pi.sendsNothing();
    expect(pi.buffer?.stats().held).toMatchObject({ 'meter-readings': 3, 'sensor-values': 3 });
    expect(said('held')).toHaveLength(1);
    await pi.synchronises();
    await pi.sends(6);
    expect(marks()).toEqual(Array.from({ length: 6 }, () => 'corrected'));
    expect(pi.errors()).toEqual([0, 0, 0, 0, 0, 0]);
    await pi.reads();
    await pi.sends(7);
    expect(marks().at(-1)).toBe('synced');
    expect(said('corrected')).toHaveLength(1);
    expect(pi.buffer?.stats().held).toMatchObject({ 'meter-readings': 0, 'sensor-values': 0 });
  });

  it('sends what was read in it in order, before what is read afterwards', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.reads();
    await pi.synchronises();
    await pi.reads();
    await pi.sends(3);
    expect(pi.sent.map(({ value }) => value)).toEqual([0, 1, 2]);
    expect(pi.sent.every(({ repeat }) => !repeat)).toBe(true);
  });

  it('keeps the time of a source with its own clock, and no slot of the wrong one', async () => {
    await pi.boots(0, 'unsynced');
    const own = pi.trueMs - 5_000;
    await pi.reads({ timeMs: own, timeSource: 'device', deviceTimeMs: own });
    // The slot of a wrong clock, stated as the time of what was never read.
    await pi.reads({ timeMs: 15_000, value: 1, status: 'BadNoData' });
    await pi.synchronises();
    await pi.sends(2);
    expect(pi.sent.map(({ timeMs, slotMs }) => [timeMs, slotMs])).toEqual([
      [own, null],
      [pi.truth[1], null],
    ]);
  });

  it('gives a counter the slot that its true time answers', async () => {
    await pi.boots(0, 'unsynced');
    const laterSlot = { everyMs: 15 * minuteMs, withinMs: 5 * minuteMs, lateMs: 0 };
    // It is 13:07, 13:15:10 and 13:20:10.
    await pi.reads({ laterSlot });
    await pi.passes(8 * minuteMs + 10_000);
    await pi.reads({ laterSlot });
    await pi.passes(5 * minuteMs);
    await pi.reads({ laterSlot });
    await pi.reads({ laterSlot: { ...laterSlot, lateMs: 20_000 } });
    await pi.synchronises();
    await pi.sends(4);
    const quarter = Date.parse('2026-11-22T13:15:00Z');
    expect(pi.sent.map(({ slotMs }) => slotMs)).toEqual([null, quarter, null, quarter]);
  });

  it.each([
    [{ everyMs: 15 * minuteMs, withinMs: 5 * minuteMs, lateMs: 655_359 }, true],
    [{ everyMs: 100, withinMs: 100, lateMs: 0 }, true],
    [{ everyMs: hourMs, withinMs: hourMs / 4, lateMs: 10 }, true],
    [{ everyMs: 7 * minuteMs, withinMs: minuteMs, lateMs: 0 }, false],
    [{ everyMs: minuteMs, withinMs: minuteMs, lateMs: 700_000 }, false],
  ])('keeps the rule of %j, or gives no slot at all', (rule, fits) => {
    const packed = packLaterSlot(rule);
    expect(packed !== null).toBe(fits);
    if (packed === null) return;
    expect(packed).toBeLessThan(0);
    expect(Number.isSafeInteger(packed)).toBe(true);
    const slotMs = Date.parse('2026-11-22T14:00:00Z');
    expect(laterSlotMs(packed, slotMs + rule.lateMs)).toBe(slotMs);
    expect(laterSlotMs(packed, slotMs + rule.lateMs + rule.withinMs - 20)).toBe(slotMs);
    if (rule.withinMs < rule.everyMs) expect(laterSlotMs(packed, slotMs + rule.lateMs + rule.withinMs + 20)).toBeNull();
  });

  it('lets events and metadata pass, marked', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.buffer?.append('gateway-events', [{ at: pi.clock.now(), key: 'ps-12', json: '{}' }]);
    const batch = await pi.buffer?.next('gateway-events', 0, 10, soon());
    expect(batch?.entries.map(({ clock, timeMs }) => [clock, timeMs])).toEqual([['unsynced', 0]]);
  });

  it('waits on when the process starts again in it, and what waited is no repeat', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.passes(minuteMs);
    pi.crashes();
    await pi.starts();
    await pi.sendsNothing();
    await pi.reads();
    await pi.passes(minuteMs);
    await pi.stops();
    await pi.starts();
    await pi.sendsNothing();
    expect(pi.buffer?.stats().held['meter-readings']).toBe(2);
    await pi.synchronises();
    await pi.sends(2);
    expect(pi.errors()).toEqual([0, 0]);
    expect(pi.sent.map(({ repeat, clock }) => [repeat, clock])).toEqual([
      [false, 'corrected'],
      [false, 'corrected'],
    ]);
  });

  it('knows after a restart in it when its counters were due, until they have their time', async () => {
    const laterSlot = { everyMs: 15 * minuteMs, withinMs: 5 * minuteMs, lateMs: 0 };
    const dues = (): unknown => pi.buffer?.heldDues('EM-1', 'energy');
    await pi.boots(0, 'unsynced');
    await pi.reads({ laterSlot });
    await pi.passes(5 * minuteMs);
    await pi.reads({ laterSlot: { ...laterSlot, withinMs: minuteMs, lateMs: 2_000 } });
    await pi.reads({ value: null, quality: 'bad' });
    const [first, second] = [
      { dueBootMs: 20_000, withinMs: 5 * minuteMs },
      { dueBootMs: 20_000 + 5 * minuteMs - 2_000, withinMs: minuteMs },
    ];
    expect(dues()).toEqual([]);
    pi.crashes();
    await pi.starts();
    expect(dues()).toEqual([first, second]);
    // An end in order packs the newest slots behind them.
    await pi.stops();
    await pi.starts();
    expect(dues()).toEqual([first, second]);
    await pi.synchronises();
    await pi.sends(3);
    await pi.stops();
    await pi.starts();
    expect(dues()).toEqual([]);
  });

  it('leaves no dues to a boot behind it', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads({ laterSlot: { everyMs: 15 * minuteMs, withinMs: 5 * minuteMs, lateMs: 0 } });
    pi.crashes();
    await pi.boots(0, 'unsynced');
    expect(pi.buffer?.heldDues('EM-1', 'energy')).toEqual([]);
  });

  it('that ends without a right clock: its readings are sent at the next start with its time, marked, and no later one waits', async () => {
    await pi.boots(began - 2 * hourMs, 'synced');
    pi.trueMs = pi.clock.wallMs;
    await pi.reads();
    await pi.sends(1);
    const trusted = pi.clock.wallMs;
    await pi.stops();
    pi.trueMs = began;
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.stops();
    pi.trueMs += hourMs;
    await pi.boots(pi.trueMs, 'synced');
    await pi.reads();
    await pi.sends(3);
    expect(marks()).toEqual(['synced', 'unsynced', 'synced']);
    expect(pi.sent[1]?.timeMs).toBe(0);
    const bounds = said('unsynced').at(-1)?.facts;
    expect(bounds).toMatchObject({ boot: 'boot-2', wrongFrom: '1970-01-01T00:00:00.000Z' });
    const [after, before] = [bounds?.['trueAfter'], bounds?.['trueBefore']].map((text) => Date.parse(String(text)));
    expect(after).toBeGreaterThanOrEqual(trusted);
    expect(after).toBeLessThanOrEqual(pi.truth[1] ?? 0);
    expect(before).toBeGreaterThanOrEqual(pi.truth[1] ?? 0);
    expect(before).toBeLessThanOrEqual(pi.truth[2] ?? 0);
  });

  it('two boots before a right clock: each is marked, and bounds are told for each when they are known', async () => {
    for (const [at, wall] of [0, 5_000].entries()) {
      await pi.boots(wall, 'unsynced');
      await pi.reads();
      await pi.passes(minuteMs);
      await pi.sends(at);
      pi.crashes();
      pi.trueMs += hourMs;
    }
    await pi.boots(10_000, 'unsynced');
    await pi.reads();
    await pi.passes(3 * minuteMs);
    await pi.sends(2);
    expect(said('unsynced').map(({ facts }) => [facts?.['boot'], facts?.['trueBefore']])).toEqual([
      ['boot-1', null],
      ['boot-2', null],
    ]);
    await pi.synchronises();
    await pi.sends(3);
    expect(marks()).toEqual(['unsynced', 'unsynced', 'corrected']);
    expect(pi.errors()[2]).toBe(0);
    const bounded = said('unsynced').slice(2);
    expect(new Set(bounded.map(({ facts }) => facts?.['boot']))).toEqual(new Set(['boot-1', 'boot-2']));
    for (const { facts } of bounded)
      expect(Date.parse(String(facts?.['trueBefore']))).toBeGreaterThanOrEqual(pi.truth[1] ?? Infinity);
  });

  it('is held no longer than asked for, each reading for itself; what is younger still gets its true time', async () => {
    await pi.boots(0, 'unsynced', { holdMs: 24 * hourMs });
    await pi.reads();
    for (let hour = 0; hour < 26; hour++) {
      await pi.passes(hourMs);
      await pi.reads();
    }
    await pi.sends(2);
    expect(marks()).toEqual(['unsynced', 'unsynced']);
    expect(said('unsynced')).toHaveLength(1);
    await pi.synchronises();
    await pi.sends(27);
    expect(new Set(marks().slice(2))).toEqual(new Set(['corrected']));
    expect(new Set(pi.errors().slice(2))).toEqual(new Set([0]));
    const bounds = said('unsynced').at(-1)?.facts;
    expect(bounds).toMatchObject({ trueAfter: new Date(pi.truth[0] ?? 0).toISOString() });
    expect(Date.parse(String(bounds?.['trueBefore']))).toBeGreaterThanOrEqual(pi.truth[1] ?? Infinity);
  });

  it('is not held at all where clock.hold is 0', async () => {
    await pi.boots(0, 'unsynced', { holdMs: 0 });
    await pi.reads();
    await pi.sends(1);
    expect(marks()).toEqual(['unsynced']);
    await pi.synchronises();
    await pi.reads();
    await pi.sends(2);
    expect(marks()).toEqual(['unsynced', 'synced']);
  });

  it('ends, marked, when nobody can say any more that its clock is wrong', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    pi.clock.trust = 'unknown';
    await pi.reads();
    await pi.sends(2);
    expect(marks()).toEqual(['unsynced', 'unknown']);
  });

  it('was right before: nothing waits, its readings go on from the right time', async () => {
    await pi.boots(began, 'synced');
    await pi.reads();
    pi.clock.trust = 'unsynced';
    pi.clock.stepWall(-3 * hourMs);
    await pi.passes(minuteMs);
    await pi.reads();
    await pi.sends(2);
    expect(marks()).toEqual(['synced', 'corrected']);
    expect(pi.errors()).toEqual([0, 0]);
  });
});

describe('a clock that was right and jumps', () => {
  it('an hour ahead or back, to 1970, to 2038: each reading keeps its true time, and nothing waits', async () => {
    await pi.boots(began, 'synced');
    await pi.reads();
    for (const stepMs of [hourMs, -hourMs, -began, Date.parse('2038-01-19T03:14:07Z') - began]) {
      // As the clock of the machine says from the step on, until its service has compared it again.
      pi.clock.stepWall(stepMs);
      pi.clock.trust = 'unsynced';
      await pi.reads();
      await pi.passes(minuteMs);
      await pi.reads({ point: gauge });
      await pi.sends(pi.truth.length);
      await pi.synchronises();
      await pi.reads();
    }
    await pi.sends(13);
    expect(new Set(pi.errors())).toEqual(new Set([0]));
    expect(new Set(marks())).toEqual(new Set(['synced', 'corrected']));
  });
});

describe('a kill between the decision and the sending', () => {
  it('at every point of it: what is sent again is dated as before', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.reads({ point: gauge });
    await pi.synchronises();
    // Each time a copy of the disk as a kill would leave it, later by a little. The clock is slewed meanwhile: decided anew, the times were others.
    for (let kill = 0; kill < 4; kill++) {
      await new Promise((resolve) => setTimeout(resolve, kill * 15));
      pi.crashes();
      pi.clock.stepWall(37);
      await pi.starts();
    }
    await pi.sends(2);
    for (let kill = 1; kill <= 2; kill++) {
      pi.crashes();
      pi.clock.stepWall(37);
      await pi.starts();
      await expect.poll(() => pi.repeats).toBeGreaterThanOrEqual(2 * kill);
    }
    expect(marks()).toEqual(['corrected', 'corrected']);
    for (const error of pi.errors()) expect(error).toBeLessThanOrEqual(4 * 37);
    expect(said('corrected').length).toBeGreaterThanOrEqual(1);
  });
});

describe('files of dates', () => {
  const names = ['dating.db', 'dating-copy.db'];

  it.each(names)('without %s: what is sent again is dated as before, and what waits goes on waiting', async (name) => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    rmSync(join(pi.crashes(), name));
    await pi.starts();
    await pi.sendsNothing();
    await pi.synchronises();
    await pi.sends(1);
    for (let kill = 1; kill <= 2; kill++) {
      rmSync(join(pi.crashes(), name));
      await pi.starts();
      await expect.poll(() => pi.repeats).toBe(kill);
    }
    expect(marks()).toEqual(['corrected']);
    expect(pi.errors()).toEqual([0]);
  });

  it('that are both damaged go aside, with a word; readings that they would have dated are sent, marked', async () => {
    await pi.boots(0, 'unsynced');
    await pi.reads();
    await pi.stops();
    for (const file of names.map((name) => join(folder.path, name)))
      writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a));
    await pi.starts();
    await pi.sends(1);
    expect(marks()).toEqual(['unsynced']);
    const quarantined = folder.told('quarantine').map(({ message }) => message);
    expect(quarantined).toEqual(names.map((name) => expect.stringContaining(name) as string));
    await pi.reads();
    await pi.synchronises();
    await pi.sends(2);
    expect(marks()).toEqual(['unsynced', 'corrected']);
    expect(pi.errors()[1]).toBe(0);
  });
});

describe('what is dropped of readings that were made with a wrong clock', () => {
  it('is told with the times that they would have been sent with', async () => {
    const clock = new FakeClock(0, 20_000);
    clock.trust = 'unsynced';
    const buffer = await folder.opened({ clock, maxBytes: 1_500_000, whenFull: 'thin' });
    const append = (): Promise<void> =>
      buffer.append(
        'meter-readings',
        Array.from({ length: 1_000 }, () => reading({ at: clock.now(), value: Math.random() })),
      );
    await append();
    clock.stepWall(began);
    clock.trust = 'synced';
    for (let batches = 0; batches < 200 && folder.told('loss').length === 0; batches++) {
      await clock.advance(1_000);
      await append();
    }
    expect(folder.told('clock-step').map(({ facts }) => facts?.['readings'])).toEqual(['held', 'corrected']);
    expect(folder.told('loss')[0]?.facts?.['from']).toBe(new Date(began).toISOString());
  });
});

describe('where nobody can say that the clock is wrong', () => {
  it('readings flow at once, marked', async () => {
    await pi.boots(0, 'unknown');
    await pi.reads();
    await pi.sends(1);
    expect(marks()).toEqual(['unknown']);
    expect(folder.told('clock-step')).toEqual([]);
  });
});

describe('the slots that readings of a wrong clock turn out to answer', () => {
  const later = { slotMs: null, laterSlot: { everyMs: minuteMs, withinMs: minuteMs, lateMs: 0 } };

  it.each([
    ['the process that dated them', false],
    ['an earlier process of that boot, killed', true],
  ])('are known to the start after a stop, read by %s', async (_, isKilled) => {
    await pi.boots(0, 'unsynced');
    await pi.reads(later);
    if (isKilled) {
      pi.crashes();
      await pi.starts();
    }
    await pi.passes(3 * minuteMs);
    await pi.synchronises();
    await pi.sends(1);
    await pi.buffer?.append('gateway-events', [{ key: 'stop', json: '{}', at: pi.clock.now() }]);
    await pi.stops();
    await pi.starts();
    expect(pi.sent[0]?.slotMs).toBe(began);
    expect(pi.buffer?.newestSlotMs('EM-1', 'energy')).toBe(began);
  });

  it('are known to the start after a stop, committed when the clock was right already', async () => {
    await pi.boots(0, 'unsynced');
    const at = pi.clock.now();
    await pi.synchronises();
    await pi.reads({ at, ...later });
    await pi.buffer?.append('gateway-events', [{ key: 'stop', json: '{}', at: pi.clock.now() }]);
    await pi.stops();
    await pi.starts();
    expect(pi.buffer?.newestSlotMs('EM-1', 'energy')).toBe(began);
  });
});
