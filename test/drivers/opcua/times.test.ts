import { describe, expect, it } from 'vitest';
import { datePushed, dateRead } from '../../../drivers/opcua/times.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const at = new FakeClock().now();
const s = 1_000;
const hour = 3_600 * s;
const ago = (ms: number | null): number | null => (ms === null ? null : at.wallMs - ms);

describe('a value that a server sends by itself', () => {
  it.each<[string, number | null, number | null, number, string]>([
    ['when it changed', 2 * s, 0, s, 'device 2000'],
    ['when it changed an hour ago', hour, 0, s, 'device 3600000'],
    ['when the server looked, if it changed longer ago', hour + 1, s, s, 'server 1000'],
    ['when it changed, by a clock a minute ahead', -60 * s, 0, s, 'device -60000'],
    ['when the server looked, if the other clock is further ahead', -60 * s - 1, s, s, 'server 1000'],
    ['when the server looked, if it does not say when it changed', null, 6 * s, s, 'server 6000'],
    ['when the server looked, though it waited for its turn to publish', null, 50 * 60 * s, hour, 'server 3000000'],
    ['at its arrival, if the server looked longer ago', null, 6 * s + 1, s, 'gateway'],
    ['at its arrival, if the clock of the server is ahead', null, -5 * s - 1, hour, 'gateway'],
    ['at its arrival, if nothing is said', null, null, s, 'gateway'],
  ])('is dated %s', (_, source, server, publishingMs, expected) => {
    const { timeMs, timeSource, deviceTimeMs } = datePushed(
      { sourceMs: ago(source), serverMs: ago(server) },
      at,
      publishingMs,
    );
    expect(timeMs === null ? timeSource : `${timeSource} ${at.wallMs - timeMs}`).toBe(expected);
    expect(deviceTimeMs).toBe(ago(source));
  });
});

describe('a value that was asked for', () => {
  const asked = { ...at, wallMs: at.wallMs - 4 * s };

  it.each<[string, number | null, string]>([
    ['when the server looked', s, 'server 1000'],
    ['when the server looked, by a clock that goes by ticks', 4 * s + 16, 'server 4016'],
    ['at its arrival, if the server looked before it was asked', 4 * s + 17, 'gateway'],
    ['at its arrival, if the clock of the server is ahead', -5 * s - 1, 'gateway'],
    ['at its arrival, if nothing is said', null, 'gateway'],
  ])('is dated %s, never by its last change', (_, server, expected) => {
    const { timeMs, timeSource, deviceTimeMs } = dateRead({ sourceMs: ago(2 * s), serverMs: ago(server) }, asked, at);
    expect(timeMs === null ? timeSource : `${timeSource} ${at.wallMs - timeMs}`).toBe(expected);
    expect(deviceTimeMs).toBe(ago(2 * s));
  });

  it('is dated at its arrival, if the clock of the server is slow by more than 5 s though it was asked long before', () => {
    const long = { ...at, wallMs: at.wallMs - 20 * s };
    expect(dateRead({ sourceMs: null, serverMs: ago(5 * s + 1) }, long, at).timeSource).toBe('gateway');
    expect(dateRead({ sourceMs: null, serverMs: ago(5 * s) }, long, at).timeSource).toBe('server');
  });
});
