import { expect, test } from 'vitest';
import { Probing } from '../../../drivers/modbus/probing.ts';
import { readyDevice } from '../../../drivers/modbus/ready-device.ts';
import type { ReadyDevice } from '../../../drivers/modbus/ready-device.ts';
import { planOf } from './support.ts';

/** Degraded at 0, all with a timeout of 1 s. */
function dead(count: number): ReadyDevice[] {
  const parts = Array.from({ length: count }, (_, at) => ({
    id: `D${at + 1}`,
    unitId: at + 1,
    points: { one: { address: 0 } },
  }));
  return planOf(502, parts, { every: 1000 }).plan.devices.map((device, place) => {
    const ready = readyDevice(device, place, false);
    for (let cycle = 0; cycle < 3; cycle++) ready.liveness.failed(0);
    return ready;
  });
}

/** Who is probed when, s, on a line that has so much idle time in every second; none of them answers. */
function probed(
  devices: readonly ReadyDevice[],
  idleMs: number,
  minutes: number,
): (readonly [string, number, number])[] {
  const probing = new Probing();
  const told: (readonly [string, number, number])[] = [];
  for (let atMs = 0; atMs < minutes * 60_000; atMs += 1000) {
    const probe = probing.next(devices, atMs, 0) ?? probing.next(devices, atMs, idleMs);
    if (probe === undefined) continue;
    probing.sent(probe, atMs);
    told.push([probe.device.id, atMs / 1000, probe.timeoutMs]);
  }
  return told;
}

test('where the whole timeout does not fit the idle time one a minute is probed on the line, in turn', () => {
  expect(probed(dead(3), 700, 5)).toEqual([
    ['D1', 0, 700],
    ['D2', 60, 700],
    ['D3', 120, 700],
    ['D1', 180, 700],
    ['D2', 240, 700],
  ]);
});

test('where it fits each of them is, every minute', () => {
  const told = probed(dead(3), 5000, 2);
  expect(told.map(([id]) => id).toSorted()).toEqual(['D1', 'D1', 'D2', 'D2', 'D3', 'D3']);
});

test.each([1, 3, 4, 10, 30])('each of %i gets its whole timeout within ten minutes all the same', (count) => {
  const full = probed(dead(count), 700, 10).filter(([, , timeoutMs]) => timeoutMs === 1000);
  expect(new Set(full.map(([id]) => id)).size).toBe(count);
});

test('one that answers holds up nobody: the next has its turn at once', () => {
  const devices = dead(2);
  const probing = new Probing();
  const first = probing.next(devices, 0, 700);
  if (first === undefined) throw new Error('one is to be probed');
  probing.sent(first, 0);
  expect(probing.next(devices, 1000, 700)).toBeUndefined();
  first.device.liveness.answered();
  probing.answered();
  expect(probing.next(devices, 1000, 700)?.device.id).toBe('D2');
});
