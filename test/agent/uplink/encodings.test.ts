import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeptNote, KeptReading, PointInfo, Reading } from '../../../agent/reading.ts';
import { eventBody, jsonEncoding, jsonPreview } from '../../../agent/uplink/encodings.ts';

const point: PointInfo = {
  hash: '0123456789ab',
  gateway: 'ps-12',
  site: 'PS12',
  device: 'FT-7',
  asset: null,
  serial: null,
  point: 'volume_total',
  kind: 'counter',
  unit: 'm3',
  stream: 'meter-readings',
  map: '9f31c20a77e1',
};
const reading: KeptReading = {
  form: 'reading',
  epoch: '41-k3v9q0za',
  seq: 88213,
  stream: 'meter-readings',
  timeMs: Date.parse('2026-11-22T13:15:00.182Z'),
  clock: 'synced',
  repeat: false,
  point,
  value: 4711.25,
  text: null,
  quality: 'good',
  status: 'Good',
  exceptionCode: null,
  timeSource: 'gateway',
  slotMs: Date.parse('2026-11-22T13:15:00Z'),
  deviceTimeMs: null,
  raw: '0047 e352',
};
const golden =
  '{"id":"ps-12/41-k3v9q0za/88213","gateway":"ps-12","site":"PS12","device":"FT-7","asset":null,"serial":null,"point":"volume_total",' +
  '"kind":"counter","value":4711.25,"text":null,"unit":"m3","quality":"good","status":"Good","exceptionCode":null,' +
  '"time":"2026-11-22T13:15:00.182Z","timeSource":"gateway","clock":"synced","slot":"2026-11-22T13:15:00.000Z","map":"9f31c20a77e1",' +
  '"raw":"0047 e352","deviceTime":null,"repeat":false}';

describe('the JSON record of a reading', () => {
  it('is this one, byte for byte', () => {
    expect(jsonEncoding()(reading, false)).toEqual({ key: 'ps-12/FT-7', value: golden, timestampMs: reading.timeMs });
  });

  it('differs at a second sending in nothing but repeat', () => {
    const encode = jsonEncoding();
    const again = golden.replace('"repeat":false', '"repeat":true');
    expect(encode(reading, true).value).toBe(again);
    expect(encode({ ...reading, repeat: true }, false).value).toBe(again);
  });

  it('is valid JSON with the same keys, one type each, for any content', () => {
    const encode = jsonEncoding();
    const keys = Object.keys(JSON.parse(golden) as object);
    const ms = fc.integer({ min: -8.64e15, max: 8.64e15 });
    const anything = fc.record({
      value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      text: fc.option(fc.string({ unit: 'binary' })),
      timeMs: ms,
      slotMs: fc.option(ms),
      deviceTimeMs: fc.option(ms),
      exceptionCode: fc.option(fc.integer({ min: 1, max: 255 })),
      device: fc.string({ unit: 'binary' }),
      unit: fc.option(fc.string()),
    });
    fc.assert(
      fc.property(anything, ({ device, unit, ...body }) => {
        const record = JSON.parse(
          encode({ ...reading, ...body, point: { ...point, device, unit } }, false).value ?? '',
        ) as Record<string, unknown>;
        expect(Object.keys(record)).toEqual(keys);
        expect(record).toMatchObject({
          device,
          unit,
          value: body.value === null ? null : body.value + 0,
          text: body.text,
          exceptionCode: body.exceptionCode,
          time: new Date(body.timeMs).toISOString(),
          slot: body.slotMs === null ? null : new Date(body.slotMs).toISOString(),
          deviceTime: body.deviceTimeMs === null ? null : new Date(body.deviceTimeMs).toISOString(),
        });
      }),
    );
  });

  it('writes no line that a consumer cannot parse: NaN is refused, minus zero is 0', () => {
    expect(() => jsonEncoding()({ ...reading, value: Number.NaN }, false)).toThrow(RangeError);
    expect(jsonEncoding()({ ...reading, value: -0 }, false).value).toContain('"value":0,');
  });
});

describe('the record that `read` shows', () => {
  it('is what run would send, with id and slot null', () => {
    const at = { boot: 'b', bootMs: 5, wallMs: reading.timeMs, trust: 'synced' as const };
    const seen: Reading = { ...reading, at, timeMs: null };
    const shown = golden.replace(/"id":"[^"]*"/, '"id":null').replace(/"slot":"[^"]*"/, '"slot":null');
    expect(jsonPreview(seen)).toEqual({ key: 'ps-12/FT-7', value: shown, timestampMs: reading.timeMs });
  });
});

describe('the record of a note', () => {
  const note: KeptNote = {
    form: 'note',
    epoch: '41-k3v9q0za',
    seq: 7,
    stream: 'gateway-events',
    timeMs: reading.timeMs,
    clock: 'unknown',
    repeat: false,
    key: 'ps-12',
    json: eventBody('ps-12', null, { event: 'start', severity: 'info', message: 'started', facts: { version: '1' } }),
  };

  it('gets its id, time and clock where consumers look for them', () => {
    expect(jsonEncoding()(note, true)).toEqual({
      key: 'ps-12',
      value:
        '{"id":"ps-12/41-k3v9q0za/7","gateway":"ps-12","site":null,"event":"start","severity":"info","device":null,"point":null,' +
        '"time":"2026-11-22T13:15:00.182Z","clock":"unknown","message":"started","facts":{"version":"1"}}',
      timestampMs: reading.timeMs,
    });
  });

  it('is a tombstone when it has no body', () => {
    expect(jsonEncoding()({ ...note, json: null }, false).value).toBeNull();
  });
});
