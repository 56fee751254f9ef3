/**
 * Writes an hour of readings through the store as the daemon would, delivered as they come, without the hour that it takes. A process of its own.
 * Parameters: the folder, readings a second, seconds between commits. One JSON value on standard output.
 */
import { readFileSync } from 'node:fs';
import type { Stamp } from '../../agent/clock.ts';
import { streams } from '../../agent/reading.ts';
import { FrameEncoder } from '../../buffer/frames/encoder.ts';
import { NewestSlots } from '../../buffer/newest-slots.ts';
import { laneOf } from '../../buffer/protocol.ts';
import { Store } from '../../buffer/store.ts';
import { deviceWear } from '../../buffer/wear.ts';
import { backlogPoints, backlogReading } from './backlog-site.ts';

const [folder = '', perSecond = '200', everySeconds = '1'] = process.argv.slice(2);
const seconds = 3_600;
let passedMs = 0;
performance.now = () => passedMs;

const written = (): number => Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
const store = new Store({ path: folder, maxBytes: 2_000_000_000 }, (event) => console.error(event.message));
let seq = store.opened().nextSeq;
const encoder = new FrameEncoder();
const slots = new NewestSlots().pack(null);
let wantsSlots = true;
const points = backlogPoints();
const lane = laneOf('sensor-values');
const began: Stamp = { boot: 'b-1', bootMs: 1_000_000, wallMs: Date.parse('2026-11-22T13:00:00Z'), trust: 'synced' };
const before = { device: deviceWear(folder)?.bytes ?? null, own: written() };
let commits = 0;
for (let second = 0; second < seconds; second += Number(everySeconds)) {
  const first = seq;
  const entries = Array.from({ length: Number(perSecond) * Number(everySeconds) }, (_, row) => {
    const ms = (second + Math.floor(row / Number(perSecond))) * 1000;
    const at = { ...began, bootMs: began.bootMs + ms, wallMs: began.wallMs + ms };
    return { seq: seq++, entry: backlogReading(points, first + row, at) };
  });
  const ms = (second + Number(everySeconds)) * 1000;
  const at = { ...began, bootMs: began.bootMs + ms, wallMs: began.wallMs + ms };
  passedMs = ms;
  const frames = [encoder.encode(at, 'sensor-values', entries)];
  const described = encoder.takeDescribed();
  ({ wantsSlots } = store.commit({
    frames,
    described,
    drops: [],
    heard: 0,
    dating: [],
    slots: wantsSlots ? slots : null,
    maxBytes: null,
  }));
  store.settle(lane, first, seq - 1);
  commits += 1;
}
store.close(streams.map(() => seq - 1));
const deviceBytes = deviceWear(folder)?.bytes ?? null;
console.log(
  JSON.stringify({
    commits,
    readings: seq - 1,
    bytes: written() - before.own,
    deviceBytes: deviceBytes === null || before.device === null ? null : deviceBytes - before.device,
  }),
);
