import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UplinkError } from '../../agent/errors.ts';
import type { Destination, OutRecord, Uplink, UplinkFactory } from '../../agent/uplink/uplink.ts';

export interface StoredLine {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
}

/** What an implementation brings so that the suite can hold it to the contract of `Uplink`. */
export interface UplinkFixture {
  readonly uplinks: UplinkFactory;
  /** Everything that lies at `to`, in order per key, read by other means than the uplink's. */
  stored(to: Destination): Promise<StoredLine[]>;
  /** Makes every further send fail until `mend`. */
  break(): Promise<void>;
  mend(): Promise<void>;
  remove(): Promise<void>;
}

const never = new AbortController().signal;

function records(some: readonly string[]): OutRecord[] {
  return some.map((text, index) => ({
    key: `gw/EM-${index % 3}`,
    value: JSON.stringify({ text, snow: 'naïve ☃ 𝄞 "quoted"' }),
    timestampMs: Date.now() - 1000 + index,
  }));
}

/** The guarantees of an uplink, by name. */
export function uplinkConformance(name: string, make: () => Promise<UplinkFixture>): void {
  describe(`${name} keeps the contract of an uplink:`, () => {
    let fixture: UplinkFixture;
    beforeAll(async () => {
      fixture = await make();
    });
    afterAll(() => fixture.remove());

    async function connected(): Promise<Uplink> {
      const uplink = fixture.uplinks('conformance');
      await uplink.connect(never);
      return uplink;
    }

    async function valuesOf(to: Destination): Promise<(string | null)[]> {
      return (await fixture.stored(to)).map(({ value }) => value);
    }

    it('what was sent is stored when send resolves: key, value and timestamp unchanged, in order per key', async () => {
      const uplink = await connected();
      const sent = records(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
      await uplink.send('meter-readings', sent.slice(0, 4), never);
      await uplink.send('meter-readings', sent.slice(4), never);
      const stored = await fixture.stored('meter-readings');
      for (const key of new Set(sent.map((record) => record.key))) {
        const ours = sent.filter((record) => record.key === key);
        const theirs = stored.filter((record) => record.key === key);
        expect(theirs.map(({ value, timestampMs }) => ({ key, value, timestampMs }))).toEqual(ours);
      }
      expect(stored).toHaveLength(sent.length);
      await uplink.close();
    });

    it('a tombstone has no value', async () => {
      const uplink = await connected();
      await uplink.send('asset-metadata', [{ key: 'gw/EM-1', value: null, timestampMs: Date.now() }], never);
      expect(await valuesOf('asset-metadata')).toEqual([null]);
      await uplink.close();
    });

    it('a thousand records in one send arrive once each', async () => {
      const uplink = await connected();
      const sent = records(Array.from({ length: 1000 }, (_, index) => `n${index}`));
      await uplink.send('sensor-values', sent, never);
      const stored = await valuesOf('sensor-values');
      expect(stored).toHaveLength(sent.length);
      expect(new Set(stored)).toEqual(new Set(sent.map(({ value }) => value)));
      await uplink.close();
    });

    it('uplinks of several lanes work side by side', async () => {
      const [one, two] = [await connected(), await connected()];
      await Promise.all([
        one.send('gateway-events', records(['one']), never),
        two.send('gateway-status', records(['two']), never),
      ]);
      await Promise.all([one.close(), two.close()]);
      expect(await valuesOf('gateway-events')).toEqual([expect.stringContaining('"one"')]);
      expect(await valuesOf('gateway-status')).toEqual([expect.stringContaining('"two"')]);
    });

    it('a signal ends a send or a connect at once', async () => {
      const uplink = await connected();
      await expect(uplink.send('gateway-status', records(['x']), AbortSignal.abort())).rejects.toBeInstanceOf(
        UplinkError,
      );
      await uplink.close();
      const other = fixture.uplinks('conformance');
      await expect(other.connect(AbortSignal.abort())).rejects.toBeInstanceOf(UplinkError);
      await other.close();
    });

    it('close is idempotent, also before connect, and nothing can be sent afterwards', async () => {
      const fresh = fixture.uplinks('conformance');
      await fresh.close();
      await fresh.close();
      await expect(fresh.connect(never)).rejects.toMatchObject({ fate: 'retry' });
      const uplink = await connected();
      const before = await valuesOf('meter-readings');
      await Promise.all([uplink.close(), uplink.close()]);
      await expect(uplink.send('meter-readings', records(['late']), never)).rejects.toMatchObject({ fate: 'retry' });
      expect(await valuesOf('meter-readings')).toEqual(before);
    });

    it('a send that fails rejects with a fate and spends the instance; a fresh one works when the trouble is over', async () => {
      const uplink = await connected();
      await fixture.break();
      const failed = uplink.send('gateway-events', records(['in doubt']), never);
      await expect(failed).rejects.toBeInstanceOf(UplinkError);
      await expect(failed).rejects.toMatchObject({ fate: expect.stringMatching(/^(retry|operator)$/) as string });
      await fixture.mend();
      await expect(uplink.send('gateway-events', records(['spent']), never)).rejects.toBeInstanceOf(UplinkError);
      const begun = Date.now();
      await uplink.close();
      expect(Date.now() - begun).toBeLessThan(2000);
      const fresh = await connected();
      await fresh.send('gateway-events', records(['after']), never);
      await fresh.close();
      const values = await valuesOf('gateway-events');
      expect(values.at(-1)).toContain('"after"');
      expect(values.some((value) => value?.includes('"spent"'))).toBe(false);
    });
  });
}
