import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UplinkError } from '../../../agent/errors.ts';
import { startForwarder } from '../../../agent/forwarder/forwarder.ts';
import { systemClock } from '../../../agent/time/system-clock.ts';
import { timeSource } from '../../../agent/time/time-sources.ts';
import { jsonEncoding } from '../../../agent/uplink/encodings.ts';
import type { UplinkFactory } from '../../../agent/uplink/uplink.ts';
import { openBuffer } from '../../../buffer/open.ts';
import { pointInfo, reading } from '../../support/readings.ts';
import { SameThreadWriter } from '../../support/same-thread-writer.ts';

const flow = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });
const lanes = ['meter-readings', 'sensor-values'] as const;

describe('forwarders on a real buffer', () => {
  it('leave nothing waiting and no segment pinned, however lanes interleave and batches are cut, refused and rejected', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ meters: fc.integer({ min: 0, max: 40 }), sensors: fc.integer({ min: 0, max: 40 }) }), {
          minLength: 3,
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 5, max: 50 }),
        async (rounds, sendRecords, poisonEvery) => {
          const folder = mkdtempSync(join(tmpdir(), 'sluice-settlement-'));
          const clock = systemClock({ source: timeSource('trusted'), builtAtMs: 0 });
          const events: string[] = [];
          const buffer = await openBuffer({
            writer: new SameThreadWriter(),
            path: folder,
            maxBytes: 1_000_000,
            commitEveryMs: 0,
            clock,
            event: ({ event }) => events.push(event),
          });
          const arrived = new Set<string>();
          const uplinks: UplinkFactory = () => ({
            connect: () => Promise.resolve(),
            close: () => Promise.resolve(),
            send: (_, records) => {
              const ids = records.map(({ value }) => (JSON.parse(value ?? '{}') as { id: string }).id);
              if (ids.some((id) => Number(id.split('/')[2]) % poisonEvery === 0))
                return Promise.reject(new UplinkError('refused', 'INVALID_RECORD', 'poison'));
              for (const id of ids) arrived.add(id);
              return Promise.resolve();
            },
          });
          const forwarders = lanes.map((lane) =>
            startForwarder({
              lane,
              buffer,
              uplinks,
              encode: jsonEncoding(),
              clock,
              event: () => undefined,
              limits: { sendRecords },
            }),
          );
          let accepted = 0;
          for (const { meters, sensors } of rounds) {
            const work: Promise<void>[] = [];
            for (let at = 0; at < Math.max(meters, sensors); at++) {
              if (at < meters) work.push(buffer.append('meter-readings', [reading({ value: at })]));
              if (at < sensors) work.push(buffer.append('sensor-values', [reading({ point: flow, value: at })]));
            }
            accepted += work.length;
            await Promise.all(work);
          }
          const rejected = Array.from({ length: accepted }, (_, at) => at + 1).filter(
            (seq) => seq % poisonEvery === 0,
          ).length;
          await expect.poll(() => arrived.size, { timeout: 10_000 }).toBe(accepted - rejected);
          await expect.poll(() => Object.values(buffer.stats().waiting), { timeout: 5_000 }).toEqual([0, 0, 0, 0]);
          await Promise.all(forwarders.map((one) => one.stop()));
          await buffer.close(AbortSignal.timeout(5_000));
          // The next start finds nothing to send, and one segment at most: the one that knows so.
          const again = await openBuffer({
            writer: new SameThreadWriter(),
            path: folder,
            maxBytes: 1_000_000,
            commitEveryMs: 0,
            clock,
            event: () => undefined,
          });
          await again.append('gateway-events', [{ at: clock.now(), key: 'k', json: '{}' }]);
          for (const lane of lanes)
            await expect(again.next(lane, 0, 10, AbortSignal.timeout(60))).rejects.toThrow(/timeout/);
          await again.close(AbortSignal.timeout(5_000));
          clock.close();
          expect(readdirSync(folder).filter((name) => /^\d{12}-/.test(name)).length).toBeLessThanOrEqual(2);
          expect(events).toEqual([]);
          rmSync(folder, { recursive: true });
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);
});
