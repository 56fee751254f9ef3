/** Fills a buffer with readings of 100 meters and ends; a process of its own. Parameters: the buffer's folder, how many readings. */
import { openBuffer } from '../../buffer/open.ts';
import { systemClock } from '../../agent/time/system-clock.ts';
import { reading } from '../support/readings.ts';
import { backlogPoints } from './backlog-site.ts';

const [folder = '', count = '0'] = process.argv.slice(2);
const never = new AbortController().signal;

const clock = systemClock({ source: () => Promise.resolve('synced'), builtAtMs: 0 });
const buffer = await openBuffer({
  path: folder,
  maxBytes: 2_000_000_000,
  commitEveryMs: 1,
  clock,
  event: (event) => console.error(event.message),
});
const points = backlogPoints();
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
