import { inspect } from 'node:util';
import { assert, nat, property } from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  Secret,
  duration,
  durationMs,
  durationText,
  host,
  hostPort,
  id,
  integer,
  oneOf,
  size,
  sizeBytes,
  splitHostPort,
} from '../../../agent/config/grammar.ts';

const accepts = (schema: v.GenericSchema, value: unknown): boolean => v.safeParse(schema, value).success;
const tail = (schema: v.GenericSchema, value: unknown): string | undefined =>
  v.safeParse(schema, value).issues?.[0].message;

describe('durations', () => {
  it.each([
    ['750ms', 750],
    ['1s', 1000],
    ['1.5s', 1500],
    ['0.1s', 100],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['0ms', 0],
  ])('reads %s as %d ms', (text, ms) => expect(durationMs(text)).toBe(ms));

  it.each(['', '1', 's', '1 s', '1S', '-1s', '1s30m', '1mo', '1e3ms', '0.5ms', '1,5s', ' 1s', '1s ', '1min', '1sec'])(
    'refuses "%s"',
    (text) => expect(durationMs(text)).toBeUndefined(),
  );

  it('writes back what it reads', () => {
    assert(property(nat(1e9), (ms) => durationMs(durationText(ms)) === ms));
  });

  it('keeps to its bounds and says them', () => {
    const bounded = duration({ minMs: 100, maxMs: 60_000 });
    expect(accepts(bounded, '100ms')).toBe(true);
    expect(accepts(bounded, '1m')).toBe(true);
    expect(tail(bounded, '99ms')).toBe('allowed: 100ms…1m, as one number and one unit (ms s m h d, no space)');
    expect(accepts(bounded, '61s')).toBe(false);
    expect(v.parse(bounded, '2s')).toBe(2000);
  });
});

describe('sizes', () => {
  it.each([
    ['2GB', 2e9],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['512MiB', 536_870_912],
    ['1.5GB', 1.5e9],
    ['1TiB', 2 ** 40],
  ])('reads %s as %d bytes', (text, bytes) => expect(sizeBytes(text)).toBe(bytes));

  it.each(['2gb', '2 GB', '2', 'GB', '2B', '-1GB', '2G'])('refuses "%s"', (text) =>
    expect(sizeBytes(text)).toBeUndefined(),
  );

  it('keeps to its minimum', () => {
    expect(accepts(size('1MB'), '999KB')).toBe(false);
    expect(accepts(size('1MB'), '1MB')).toBe(true);
  });
});

it('takes as id what DESIGN allows', () => {
  expect(['a', 'EM-104', 'a.b_c', 'x'.repeat(64)].every((value) => accepts(id(), value))).toBe(true);
  expect(['', 'a b', 'a/b', 'é', 'x'.repeat(65), 5, null].some((value) => accepts(id(), value))).toBe(false);
});

it('bounds whole numbers', () => {
  expect([1, 247].every((value) => accepts(integer(1, 247), value))).toBe(true);
  expect([0, 248, 1.5, '1', null, Infinity, NaN].some((value) => accepts(integer(1, 247), value))).toBe(false);
});

it('tells words of later versions from wrong words', () => {
  expect(tail(oneOf(['stop'], ['thin']), 'thin')).toBe('not in this version; allowed: stop');
  expect(tail(oneOf(['stop'], ['thin']), 'fat')).toBe('allowed: stop');
});

it('splits host and port', () => {
  expect(splitHostPort('127.0.0.1:8686')).toEqual({ host: '127.0.0.1', port: 8686 });
  expect(splitHostPort('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect([1, 80, 9999, 10_000, 59_999, 60_000, 65_535].map((port) => splitHostPort(`a:${port}`)?.port)).toEqual([
    1, 80, 9999, 10_000, 59_999, 60_000, 65_535,
  ]);
  expect(
    ['a', 'a:', 'a:0', 'a:00000', 'a:65536', 'a:70000', 'a:100000', ':80', '::1:80', 'http://a:80'].some((value) =>
      accepts(hostPort(), value),
    ),
  ).toBe(false);
  expect(['10.0.0.1', 'plc.example', '::1', 'fe80::1%eth0'].every((value) => accepts(host(), value))).toBe(true);
  expect(['10.0.0.1:502', 'tcp://plc', '', 'a b'].some((value) => accepts(host(), value))).toBe(false);
});

it('shows a secret to nobody who does not ask for it', () => {
  const secret = new Secret('hunter2');
  const held = { password: secret };
  const shown = [
    String(secret),
    JSON.stringify(held),
    inspect(held, { depth: 9, showHidden: true }),
    Object.values(secret).join(''),
  ];
  expect(shown.join()).not.toContain('hunter2');
  expect(secret.reveal()).toBe('hunter2');
  expect(() => new Secret(null).reveal()).toThrow('not resolved');
});
