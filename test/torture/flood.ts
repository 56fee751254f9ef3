/**
 * Readings by the million through a buffer, as fast as it takes them: `flood.ts FOLDER COUNT MODE`. MODE: `through`, sent while they come; `outage`, all of them
 * first, at 5 a second of virtual time, then a new start sends them. A line of JSON now and then (FloodLine); exit code 1 when anything is missing or altered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../agent/clock.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { openBuffer } from '../../buffer/open.ts';
import { pointInfo, reading } from '../support/readings.ts';
import { wallClock } from './wall-clock.ts';

export interface FloodLine {
  readonly appended: number;
  readonly sent: number;
  readonly residentMb: number;
  readonly elapsedMs: number;
}

const perBatch = 1_000;
const msPerReading = 200;
const points = Array.from({ length: 50 }, (_, at) => pointInfo({ device: `EM-${at}`, hash: `EM-${at}` }));

const [folder = '', countText = '0', mode = 'through'] = process.argv.slice(2);
const count = Number(countText);
const startMs = performance.now();
let appended = 0;
let sent = 0;
const wall = wallClock();
const beganMs = wall.now().wallMs - count * msPerReading;
const clock: Clock = {
  ...wall,
  now: () => {
    const wallMs = beganMs + appended * msPerReading;
    return { boot: 'boot-1', bootMs: wallMs - beganMs, wallMs, trust: 'synced' };
  },
};

const first = await opened();
const appending = append(first);
if (mode === 'through') await send(first);
await appending;
await first.close(AbortSignal.timeout(60_000));
if (mode === 'outage') {
  tell();
  const second = await opened();
  await send(second);
  await second.close(AbortSignal.timeout(60_000));
}
tell();

function opened(): Promise<Buffer> {
  return openBuffer({
    path: folder,
    maxBytes: 2_000_000_000,
    commitEveryMs: 1,
    clock,
    event: (event) => fail(`event: ${event.message}`),
  });
}

async function append(buffer: Buffer): Promise<void> {
  let waiting: Promise<void>[] = [];
  while (appended < count) {
    const at = clock.now();
    const batch = Array.from({ length: Math.min(perBatch, count - appended) }, (_, index) => {
      const n = appended + index;
      const point = points[n % points.length] ?? pointInfo({});
      return reading({ point, value: n / 10, at, slotMs: beganMs + n * msPerReading });
    });
    waiting.push(buffer.append('meter-readings', batch));
    appended += batch.length;
    if (waiting.length >= 8) {
      await Promise.all(waiting);
      waiting = [];
    }
    // Who sends must keep up: the quota is for outages.
    if (mode === 'through') await keptUp();
    if (appended % 500_000 === 0) tell();
  }
  await Promise.all(waiting);
}

async function keptUp(): Promise<void> {
  for (;;) {
    if (appended - sent < 200_000) return;
    await sleep(5);
  }
}

async function send(buffer: Buffer): Promise<void> {
  for (let after = 0; sent < count;) {
    const batch = await buffer.next('meter-readings', after, 5_000, AbortSignal.timeout(60_000));
    after = batch.last;
    for (const entry of batch.entries) {
      if (entry.form !== 'reading' || entry.value !== sent / 10)
        fail(`reading ${sent} came as ${JSON.stringify(entry)}`);
      sent += 1;
      if (sent % 500_000 === 0) tell();
    }
    buffer.settle('meter-readings', batch.first, batch.last);
  }
}

function tell(): void {
  const residentMb = Math.round(process.memoryUsage.rss() / 1e6);
  const line: FloodLine = { appended, sent, residentMb, elapsedMs: Math.round(performance.now() - startMs) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exitCode = 1;
}
