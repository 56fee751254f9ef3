import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Kept, Reading, Seq, Stream } from '../../agent/reading.ts';
import type { Buffer, BufferOptions } from '../../buffer/buffer.ts';
import { auditSegment } from '../../buffer/view/view-damage.ts';
import { BufferView } from '../../buffer/view/view.ts';
import { thinFromBytes } from '../../buffer/room/sizes.ts';
import { BufferFolder, soon } from '../support/buffer-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const maxBytes = 1_000_000;
const flow = pointInfo({ device: 'FT-7', point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const level = pointInfo({ device: 'PLC-1', point: 'level', kind: 'gauge', stream: 'sensor-values' });
const total = pointInfo({ device: 'EM-1', point: 'energy' });

/** A buffer whose events go to their lane, as a gateway does it, and everything that it accepted, by the tap. */
class ThinSite extends BufferFolder {
  readonly accepted: Record<Stream, Seq[]> = {
    'meter-readings': [],
    'sensor-values': [],
    'asset-metadata': [],
    'gateway-events': [],
  };
  refused = 0;

  async thin(some: Partial<BufferOptions> = {}): Promise<Buffer> {
    let buffer: Buffer | null = null;
    const clock = new FakeClock();
    buffer = await this.opened({
      maxBytes,
      whenFull: 'thin',
      clock,
      event: (event) => {
        this.events.push(event);
        void buffer?.append('gateway-events', [{ at: clock.now(), key: 'ps-12', json: JSON.stringify(event) }]);
      },
      tap: (_epoch, stream, seqs) => this.accepted[stream].push(...seqs),
      ...some,
    });
    return buffer;
  }

  async append(buffer: Buffer, stream: Stream, readings: readonly Reading[]): Promise<void> {
    await buffer.append(stream, readings).catch(() => {
      this.refused += readings.length;
    });
  }

  /** A round of so many sensor values of two devices, and so many meter readings, each of them incompressible. */
  async round(buffer: Buffer, sensors: number, meters: number): Promise<void> {
    const some = (count: number, at: number): Reading =>
      reading({ point: count % 3 === 0 ? level : flow, value: Math.random(), at: { ...reading({}).at, wallMs: at } });
    await Promise.all([
      sensors === 0
        ? null
        : this.append(
            buffer,
            'sensor-values',
            Array.from({ length: sensors }, (_, n) => some(n, 0)),
          ),
      meters === 0
        ? null
        : this.append(
            buffer,
            'meter-readings',
            Array.from({ length: meters }, () => reading({ point: total, value: Math.random() })),
          ),
    ]);
    // At full speed a test writes a hundred times what a site does.
    for (let wait = 0; wait < 100 && buffer.stats().bytes > thinFromBytes(maxBytes); wait++)
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** What `loss` events tell, by stream and device. */
  lost(stream: Stream): Record<string, number> {
    const lost: Record<string, number> = {};
    for (const { device, facts } of this.told('loss'))
      if (facts?.['stream'] === stream) lost[String(device)] = (lost[String(device)] ?? 0) + Number(facts['count']);
    return lost;
  }
}

let site: ThinSite;
beforeEach(() => {
  site = new ThinSite();
});
afterEach(() => site.remove());

/** Everything of a lane that is still there, settled. What was accepted last is never dropped. */
async function drained(buffer: Buffer, stream: Stream): Promise<Kept[]> {
  const entries: Kept[] = [];
  for (let after = 0; after < (site.accepted[stream].at(-1) ?? 0);) {
    const batch = await buffer.next(stream, after, 10_000, soon());
    entries.push(...batch.entries);
    buffer.settle(stream, batch.first, batch.last);
    after = batch.last;
  }
  return entries;
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, one) => all + one, 0);
const seqsOf = (entries: readonly Kept[]): Seq[] => entries.map(({ seq }) => seq);

describe('a full buffer that thins', () => {
  it('drops the oldest sensor values and nothing else, and tells every one of them by device and kind', async () => {
    const buffer = await site.thin();
    let peak = 0;
    for (let n = 0; n < 26; n++) {
      await site.round(buffer, n < 16 ? 4000 : 2000, 50);
      peak = Math.max(peak, buffer.stats().bytes);
    }
    const { dropped } = buffer.stats();
    const told = site.lost('sensor-values');
    expect(site.refused).toBe(0);
    expect(peak).toBeLessThanOrEqual(maxBytes);
    expect(dropped['sensor-values']).toBeGreaterThan(5_000);
    expect(sum(told)).toBe(dropped['sensor-values']);
    expect(dropped['meter-readings'] + dropped['gateway-events']).toBe(0);
    const sensors = await drained(buffer, 'sensor-values');
    // Exactly the newest are there, in order.
    expect(seqsOf(sensors)).toEqual(site.accepted['sensor-values'].slice(dropped['sensor-values']));
    expect(told['PLC-1'] ?? 0).toBeGreaterThan((told['FT-7'] ?? 0) / 3);
    expect(seqsOf(await drained(buffer, 'meter-readings'))).toEqual(site.accepted['meter-readings']);
    expect(seqsOf(await drained(buffer, 'gateway-events'))).toEqual(site.accepted['gateway-events']);
  });

  it('drops meter readings only when no sensor value is left that could go, the oldest first', async () => {
    const buffer = await site.thin();
    for (let n = 0; n < 4; n++) await site.round(buffer, 3000, 3000);
    for (let n = 0; n < 22; n++) await site.round(buffer, 0, 4000);
    const { dropped } = buffer.stats();
    expect(site.refused).toBe(0);
    expect(dropped['sensor-values']).toBe(12_000);
    expect(dropped['meter-readings']).toBeGreaterThan(5_000);
    expect(site.lost('meter-readings')).toEqual({ 'EM-1': dropped['meter-readings'] });
    expect(seqsOf(await drained(buffer, 'meter-readings'))).toEqual(
      site.accepted['meter-readings'].slice(dropped['meter-readings']),
    );
    const first = site.told('loss').findIndex(({ facts }) => facts?.['stream'] === 'meter-readings');
    const after = site.told('loss').slice(first);
    expect(after.every(({ facts }) => facts?.['stream'] === 'meter-readings')).toBe(true);
  });
});

describe('what thinning leaves behind', () => {
  it('is whole after a crash at any moment: nothing told comes again, nothing kept is missing, every row is sound', async () => {
    const buffer = await site.thin();
    const copies: { path: string; lost: number }[] = [];
    for (let n = 0; n < 22; n++) {
      await site.round(buffer, n < 16 ? 4000 : 2000, 50);
      if (n >= 16) copies.push({ path: site.crashed(), lost: 0 });
    }
    const accepted = new Set([...site.accepted['sensor-values'], ...site.accepted['meter-readings']]);
    for (const { path } of copies.slice(-3)) {
      writeFileSync(join(path, '000000000001-1-aaaaaaaa.db.tmp'), 'half a copy');
      const view = BufferView.open(path);
      const audits = view?.segments.map((segment) => auditSegment(view, segment)) ?? [];
      view?.close();
      expect(audits.flatMap(({ damaged, missing }) => [...damaged, ...(missing === null ? [] : [missing])])).toEqual(
        [],
      );
      expect(audits.some(({ removed }) => removed > 0)).toBe(true);
      const again = await site.opened({ path, maxBytes, event: (event) => expect(event.event).toBe('never') });
      expect(readdirSync(path).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      const kept = [
        ...(await everything(again, 'sensor-values')),
        ...(await everything(again, 'meter-readings')),
        ...(await everything(again, 'gateway-events')),
      ];
      const told = kept.reduce((all, entry) => all + (entry.form === 'note' ? lossIn(entry.json) : 0), 0);
      const readings = kept.filter(({ form }) => form === 'reading');
      const newest = Math.max(...seqsOf(readings));
      expect(readings.length + told).toBe([...accepted].filter((seq) => seq <= newest).length);
      expect(told).toBeGreaterThan(0);
      await again.close(soon());
    }
  });

  it('never holds what a reader was given: it is delivered, and not counted as lost', async () => {
    const buffer = await site.thin();
    await site.round(buffer, 4000, 50);
    const taken = await buffer.next('sensor-values', 0, 2000, soon());
    for (let n = 0; n < 20; n++) await site.round(buffer, n < 15 ? 4000 : 2000, 50);
    expect(buffer.stats().dropped['sensor-values']).toBeGreaterThan(0);
    const rest: Kept[] = [];
    for (let after = taken.last; after < (site.accepted['sensor-values'].at(-1) ?? 0);) {
      const batch = await buffer.next('sensor-values', after, 10_000, soon());
      rest.push(...batch.entries);
      after = batch.last;
    }
    const { dropped } = buffer.stats();
    expect(taken.entries.length + rest.length + dropped['sensor-values']).toBe(site.accepted['sensor-values'].length);
    const again = await site.opened({ path: site.crashed(), maxBytes });
    expect((await again.next('sensor-values', 0, 10_000, soon())).entries[0]?.seq).toBe(taken.entries[0]?.seq);
  });

  it('never lets memory give what was dropped on disk', async () => {
    const buffer = await site.thin();
    const texts = (): Reading[] =>
      Array.from({ length: 400 }, () => reading({ point: flow, text: randomBytes(60).toString('base64') }));
    for (let n = 0; n < 30; n++) {
      await site.append(buffer, 'sensor-values', texts());
      for (let wait = 0; wait < 100 && buffer.stats().bytes > thinFromBytes(maxBytes); wait++)
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(site.accepted['sensor-values'].length).toBeLessThan(20_000);
    const { dropped } = buffer.stats();
    expect(dropped['sensor-values']).toBeGreaterThan(0);
    expect(seqsOf(await drained(buffer, 'sensor-values'))).toEqual(
      site.accepted['sensor-values'].slice(dropped['sensor-values']),
    );
  });

  it('is made without loss where one lane is delivered and another is not', async () => {
    const buffer = await site.thin();
    for (let n = 0; n < 30; n++) {
      await site.round(buffer, 3000, 200);
      const last = site.accepted['sensor-values'].at(-1) ?? 0;
      buffer.settle('sensor-values', 1, last);
    }
    expect(site.told('loss')).toEqual([]);
    expect(buffer.stats().bytes).toBeLessThan(maxBytes);
    expect(seqsOf(await drained(buffer, 'meter-readings'))).toEqual(site.accepted['meter-readings']);
  });
});

/** Everything unsettled of a buffer that nobody writes to. */
async function everything(buffer: Buffer, stream: Stream): Promise<Kept[]> {
  const entries: Kept[] = [];
  for (let after = 0; ;) {
    const batch = await buffer.next(stream, after, 10_000, AbortSignal.timeout(200)).catch(() => null);
    if (batch === null) return entries;
    entries.push(...batch.entries);
    after = batch.last;
  }
}

function lossIn(json: string | null): number {
  const { event, facts } = JSON.parse(json ?? '{}') as { event?: string; facts?: { count: number } };
  return event === 'loss' ? (facts?.count ?? 0) : 0;
}
