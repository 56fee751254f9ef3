/** Fills a buffer with readings of 100 meters and ends; a process of its own. Parameters: the buffer's folder, how many readings. */
import { openBuffer } from '../../buffer/open.ts';
import { systemClock } from '../../agent/time/system-clock.ts';
import { pointInfo, reading } from '../support/readings.ts';

const [folder = '', count = '0'] = process.argv.slice(2);
const meters = 100;
const pointsEach = 30;
const never = new AbortController().signal;

const clock = systemClock({ source: () => Promise.resolve('synced'), builtAtMs: 0 });
const buffer = await openBuffer({
  path: folder,
  maxBytes: 2_000_000_000,
  commitEveryMs: 1,
  clock,
  event: (event) => console.error(event.message),
});
const points = Array.from({ length: meters * pointsEach }, (_, at) =>
  pointInfo({
    hash: at.toString(16).padStart(12, '0'),
    device: `EM-${Math.floor(at / pointsEach) + 1}`,
    point: `value_${(at % pointsEach) + 1}`,
    kind: 'gauge',
    unit: 'V',
    stream: 'sensor-values',
  }),
);
for (let done = 0; done < Number(count); done += points.length) {
  const at = clock.now();
  const second = done / points.length;
  const readings = points.slice(0, Number(count) - done).map((point, place) =>
    reading({
      point,
      at,
      slotMs: at.wallMs,
      value: Math.round(2300 + 100 * Math.sin(second / 50 + place)) / 10,
      raw: '4366 4000',
    }),
  );
  await buffer.append('sensor-values', readings);
}
await buffer.close(never);
clock.close();
