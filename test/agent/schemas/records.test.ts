import * as fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import { describeSite } from '../../../agent/assets/metadata.ts';
import type { ClockMark, EventName, Kept, Kind, Quality, TimeSource } from '../../../agent/reading.ts';
import { publishedSchema, type PublishedSchema } from '../../../agent/schemas/published.ts';
import { outRecord, statusRecord, type StatusRecord } from '../../../agent/status/record.ts';
import { eventBody, jsonEncoding, jsonPreview } from '../../../agent/uplink/encodings.ts';
import { keep } from '../../../buffer/frames/frame.ts';
import { editor } from '../../support/editor.ts';
import { deviceState, goodLane, wellStatus } from '../../support/gateway-status.ts';
import { pointInfo, reading } from '../../support/readings.ts';

const schemaOf = (name: PublishedSchema) =>
  JSON.parse(publishedSchema(name)) as { properties: Readonly<Record<string, { enum?: unknown[] }>> };

/** What an independent validator says of a record. */
async function told(name: PublishedSchema, record: string | object): Promise<string[]> {
  const text = typeof record === 'string' ? record : JSON.stringify(record);
  return (await editor(schemaOf(name)).findings(text)).map(({ message }) => message);
}

const epoch = '41-k3v9q0za';
const encoded = (entry: Kept): string => jsonEncoding()(entry, false).value ?? '';
const kept = (some: Parameters<typeof reading>[0]): string => {
  const seen = reading(some);
  return encoded(keep(seen.at, { seq: 7, entry: seen }, epoch, 'meter-readings'));
};

const bad = { value: null, quality: 'bad', status: 'BadTimeout' } as const;
const readings = {
  'a counter': kept({ slotMs: 1_700_000_000_000, raw: '0047 e352' }),
  'a gauge that nobody scheduled': kept({ value: -0.5 }),
  'a text': kept({
    value: null,
    text: 'open',
    point: pointInfo({ kind: 'text', unit: null, stream: 'sensor-values' }),
  }),
  'one out of bounds': kept({ quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' }),
  'a bad one': kept(bad),
  'an exception': kept({ ...bad, status: 'BadOutOfRange', exceptionCode: 3 }),
  'one by the clock of the device': kept({
    timeSource: 'device',
    timeMs: 1_700_000_000_001,
    deviceTimeMs: 1_700_000_000_001,
  }),
  'what sluice read prints': jsonPreview(reading({})).value ?? '',
};

describe('the schema of a reading', () => {
  it.each(Object.entries(readings))('takes %s', async (_what, record) =>
    expect(await told('reading', record)).toEqual([]),
  );

  it('takes whatever a driver may give', () =>
    fc.assert(
      fc.asyncProperty(
        fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
        fc.option(fc.string({ unit: 'binary' })),
        fc.integer({ min: 0, max: 4e12 }),
        async (value, text, timeMs) => {
          expect(await told('reading', kept({ value, text, timeMs }))).toEqual([]);
        },
      ),
      { numRuns: 30 },
    ));

  it('names every key of a record, in its order', () => {
    expect(Object.keys(schemaOf('reading').properties)).toEqual(
      Object.keys(JSON.parse(readings['a counter']) as object),
    );
  });

  it('knows every word that may stand there', () => {
    const words = {
      kind: { counter: 0, gauge: 0, state: 0, text: 0 } satisfies Record<Kind, 0>,
      quality: { good: 0, uncertain: 0, bad: 0 } satisfies Record<Quality, 0>,
      timeSource: { gateway: 0, device: 0, server: 0 } satisfies Record<TimeSource, 0>,
      clock: { synced: 0, unknown: 0, unsynced: 0, corrected: 0 } satisfies Record<ClockMark, 0>,
    };
    for (const [key, known] of Object.entries(words))
      expect(schemaOf('reading').properties[key]?.enum?.toSorted()).toEqual(Object.keys(known).toSorted());
  });

  it.each([
    ['a number in a bad one', { value: 1, quality: 'bad', status: 'BadTimeout' }],
    ['a status that belies the quality', { status: 'BadTimeout' }],
    ['a time without a zone', { time: '2026-11-22T13:15:00' }],
    ['a key that is none', { colour: 'red' }],
    ['text for a number', { value: '1' }],
    ['a map of another form', { map: 'x' }],
  ])('refuses %s', async (_what, wrong) => {
    const record = { ...(JSON.parse(readings['a counter']) as object), ...wrong };
    expect(await told('reading', record)).not.toEqual([]);
  });

  it('refuses one without a key', async () => {
    const { unit: _unit, ...record } = JSON.parse(readings['a counter']) as Record<string, unknown>;
    expect(await told('reading', record)).toEqual(['Missing property "unit".']);
  });
});

/** tsc asks for every one. */
const eventNames = {
  start: 0,
  stop: 0,
  'device-lost': 0,
  'device-found': 0,
  'device-silent': 0,
  'clock-step': 0,
  loss: 0,
  'possible-loss': 0,
  'slots-missed': 0,
  quarantine: 0,
  'dead-letter': 0,
  'counter-rollover': 0,
  'counter-jump': 0,
  'serial-mismatch': 0,
  'payload-invalid': 0,
  'config-changed': 0,
  'config-refused': 0,
} satisfies Record<EventName, 0>;

describe('the schema of an event', () => {
  const eventOf = (event: EventName): string =>
    encoded({
      form: 'note',
      epoch,
      seq: 8,
      stream: 'gateway-events',
      timeMs: 1_700_000_000_000,
      clock: 'unknown',
      repeat: false,
      key: 'ps-12',
      json: eventBody('ps-12', 'PS12', {
        event,
        severity: 'warning',
        message: 'So it is.',
        facts: { count: 3, of: null },
      }),
    });

  it.each(Object.keys(eventNames) as EventName[])('takes %s', async (name) =>
    expect(await told('event', eventOf(name))).toEqual([]),
  );

  it('names every key of a record, in its order', () =>
    expect(Object.keys(schemaOf('event').properties)).toEqual(Object.keys(JSON.parse(eventOf('start')) as object)));

  it('knows no event that nobody can tell', () =>
    expect(schemaOf('event').properties['event']?.enum).toEqual(Object.keys(eventNames)));

  it('refuses a severity that is none', async () => {
    const record = { ...(JSON.parse(eventOf('stop')) as object), severity: 'fatal' };
    expect(await told('event', record)).toHaveLength(1);
  });
});

describe('the schema of asset metadata', () => {
  const { config } = loadConfig(join(import.meta.dirname, '../../../deploy/demo/sluice.json'), {
    env: {},
    noSecrets: true,
  });
  if (config === null) throw new Error('the site of the demo is wrong');
  const { descriptions } = describeSite(config);
  const note = (json: string | null): string =>
    encoded({
      form: 'note',
      epoch,
      seq: 9,
      stream: 'asset-metadata',
      timeMs: 1_700_000_000_000,
      clock: 'synced',
      repeat: false,
      key: 'k',
      json,
    });
  const records = descriptions.map(({ device, map, body }): [string, string] => [`${device} ${map ?? ''}`, note(body)]);
  const [, state = ''] = records.find(([, record]) => record.includes('removedAt')) ?? [];
  const [, map = ''] = records.find(([, record]) => !record.includes('removedAt')) ?? [];
  const { definitions } = JSON.parse(publishedSchema('asset')) as {
    definitions: Readonly<Record<'device' | 'map', { properties: object }>>;
  };

  it.each(records)('takes what is told of %s', async (_what, record) =>
    expect(await told('asset', record)).toEqual([]),
  );

  it('takes what is told of a device that left', async () => {
    const removed = JSON.parse(state) as object;
    expect(await told('asset', note(JSON.stringify({ ...removed, removedAt: true })))).toEqual([]);
  });

  it('names every key of both records, in their order', () => {
    expect(Object.keys(definitions.device.properties)).toEqual(Object.keys(JSON.parse(state) as object));
    expect(Object.keys(definitions.map.properties)).toEqual(Object.keys(JSON.parse(map) as object));
  });

  it.each([
    ['a device without its points', state, { points: undefined }],
    ['a map with a key of the device', map, { enabled: true }],
    ['a point of an unknown kind', state, { points: [{ point: 'a', kind: 'total' }] }],
  ])('refuses %s', async (_what, record, wrong) => {
    expect(await told('asset', { ...(JSON.parse(record) as object), ...wrong })).not.toEqual([]);
  });
});

describe('the schema of the status', () => {
  const identity = { machine: 'f'.repeat(32), version: '1.2.3', config: '0123456789ab' };
  const lost = Array.from({ length: 60 }, (_, index) => deviceState(`EM-${index}`, { presence: 'lost' }));
  const records: Record<string, StatusRecord> = {
    'all is well': statusRecord(wellStatus, identity, 'running'),
    'much is wrong': statusRecord(
      { ...wellStatus, site: null, devices: lost, uplink: { 'meter-readings': { ...goodLane, phase: 'stalled' } } },
      { ...identity, machine: null },
      'running',
    ),
    'it was stopped': statusRecord(wellStatus, identity, 'stopped'),
  };

  it.each(Object.entries(records))('takes what is said when %s', async (_what, record) =>
    expect(await told('status', outRecord(record).value ?? '')).toEqual([]),
  );

  it('names every key of a record, in its order', () =>
    expect(Object.keys(schemaOf('status').properties)).toEqual(Object.keys(records['all is well'] ?? {})));

  it.each([
    ['a state that is none', { state: 'paused' }],
    ['a lane without its count', { lanes: { 'meter-readings': { delivering: true } } }],
    ['less than no devices', { devices: -1 }],
  ])('refuses %s', async (_what, wrong) =>
    expect(await told('status', { ...records['all is well'], ...wrong })).toHaveLength(1),
  );
});

interface Part {
  readonly examples?: readonly unknown[];
}

describe('the examples in the schemas of records', () => {
  const names: PublishedSchema[] = ['reading', 'event', 'asset', 'status'];

  it.each(names)('of %s are right', async (name) => {
    const shown: string[] = [];
    const walk = async (part: Part): Promise<void> => {
      for (const example of part.examples ?? []) {
        shown.push(JSON.stringify(example));
        expect(await editor(part).findings(JSON.stringify(example))).toEqual([]);
      }
      for (const inner of Object.values(part))
        if (typeof inner === 'object' && inner !== null) await walk(inner as Part);
    };
    await walk(schemaOf(name) as Part);
    expect(shown.length).toBeGreaterThan(1);
  });
});
