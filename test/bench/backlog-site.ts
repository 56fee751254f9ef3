import type { Stamp } from '../../agent/clock.ts';
import type { PointInfo, Reading } from '../../agent/reading.ts';
import { pointInfo, reading } from '../support/readings.ts';

const meters = 100;
const pointsEach = 30;

/** What a hundred meters of thirty values say of themselves. */
export function backlogPoints(): PointInfo[] {
  return Array.from({ length: meters * pointsEach }, (_, at) =>
    pointInfo({
      hash: at.toString(16).padStart(12, '0'),
      device: `EM-${Math.floor(at / pointsEach) + 1}`,
      point: `value_${(at % pointsEach) + 1}`,
      kind: 'gauge',
      unit: 'V',
      stream: 'sensor-values',
    }),
  );
}

/** The reading of this number: all points in turn, 220.000 to 239.999 without a pattern that a packing could find, meter after meter a ms apart. */
export function backlogReading(points: readonly PointInfo[], number: number, at: Stamp): Reading {
  const place = number % points.length;
  const point = points[place];
  return reading({
    ...(point ? { point } : {}),
    at: { ...at, bootMs: at.bootMs - Math.floor((points.length - place) / pointsEach) },
    slotMs: at.wallMs,
    value: (220_000 + (scattered(number) % 20_000)) / 1000,
  });
}

/** Knuth's multiplicative hash, its upper bits. */
function scattered(number: number): number {
  return Math.imul(number ^ (number >>> 15), 2_654_435_761) >>> 8;
}
