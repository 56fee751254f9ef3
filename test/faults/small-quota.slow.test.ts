import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, exception, startRawServer } from '../simulators/modbus-raw-server.ts';
import type { RawServer } from '../simulators/modbus-raw-server.ts';
import { acceptedIds, judge } from './checker.ts';
import type { Delivered } from './checker.ts';
import { FileSite } from './file-site.ts';

const maxBytes = 2_000_000;
const units = [1, 2, 3, 4, 5, 6, 7, 8];
/** Each is a request of its own behind the one that counts. */
const texts = { noise: 'sensor-values', 'log-1': 'meter-readings', 'log-2': 'meter-readings' } as const;
const textRegisters = 110;
const awayMs = 100_000;
/** Between the answer of a device and the time of its reading, on a machine that does much else. */
const mostLateMs = 2_000;

/** `12:` and what cannot be compressed: every text tells which poll it answers. */
function wordsOf(poll: number, count: number): number[] {
  const text = Buffer.from(`${poll}:${randomBytes(count * 2).toString('base64')}`).subarray(0, count * 2);
  return Array.from({ length: count }, (_, at) => text.readUInt16BE(at * 2));
}

interface Served {
  readonly server: RawServer;
  /** Per unit: when each poll was answered, the first at 0. Unix ms. */
  readonly times: ReadonlyMap<number, number[]>;
}

/** Registers 0 and 1 count the polls, and begin each of them. */
async function serve(): Promise<Served> {
  const times = new Map(units.map((unitId) => [unitId, [] as number[]]));
  const server = await startRawServer((request, peer) => {
    const { unitId, address, count } = request;
    const polls = times.get(unitId);
    if (polls === undefined) return peer.send(exception(request, 11));
    if (address > 0) return peer.send(answer(request, wordsOf(polls.length, count)));
    polls.push(Date.now());
    return peer.send(answer(request, [polls.length >>> 16, polls.length & 0xffff]));
  });
  return { server, times };
}

const deviceOf = (unitId: number) => ({
  id: `EM-${unitId}`,
  connection: 'panel',
  unitId,
  points: [
    { name: 'polls', unit: '1', address: 0, type: 'uint32', every: '100ms' },
    ...Object.entries(texts).map(([name, stream], at) => ({
      name,
      stream,
      address: 1000 * (at + 1),
      type: 'string',
      length: textRegisters,
      every: '100ms',
    })),
  ],
});

interface Told {
  readonly stream: string;
  readonly device: string;
  readonly kind: string;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

function toldIn(delivered: readonly Delivered[]): Told[] {
  return delivered
    .map(({ value }) => JSON.parse(value) as { event?: string; facts?: Record<string, string | number> })
    .flatMap(({ event, facts }) =>
      event === 'loss' && facts?.['stream'] !== undefined
        ? [
            {
              stream: String(facts['stream']),
              device: String(facts['device']),
              kind: String(facts['kind']),
              count: Number(facts['count']),
              fromMs: Date.parse(String(facts['from'])),
              toMs: Date.parse(String(facts['to'])),
              firstSeq: Number(facts['firstSeq']),
              lastSeq: Number(facts['lastSeq']),
            },
          ]
        : [],
    )
    .toSorted((a, b) => a.firstSeq - b.firstSeq);
}

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

/** Seqs of the tap's lines for a stream. */
function acceptedOf(tap: string, stream: string): number[] {
  const lines = tap.split('\n').filter((line) => line.split(' ')[1] === stream);
  return acceptedIds(lines.join('\n'), 'ps-12').map((id) => Number(id.split('/')[2]));
}

/** Per device and point: the polls that were delivered. */
function pollsOf(delivered: readonly Delivered[]): Map<string, number[]> {
  const polls = new Map<string, number[]>();
  for (const { value } of delivered) {
    const record = JSON.parse(value) as Record<string, string | number | null>;
    if (record['quality'] !== 'good') continue;
    const poll = record['point'] === 'polls' ? Number(record['value']) : Number.parseInt(String(record['text']), 10);
    const name = `${record['device']} ${record['point']}`;
    polls.set(name, [...(polls.get(name) ?? []), poll]);
  }
  return polls;
}

describe('a daemon with a quota of 2 MB whose broker is away until both classes of readings must be thinned', () => {
  let served: Served;
  let site: FileSite;
  let delivered: Delivered[];
  let told: Told[];
  let tap: string;
  let mostBytes = 0;
  let exitCode: number | null;

  beforeAll(async () => {
    served = await serve();
    site = await FileSite.start({
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: served.server.port, timeout: '5s' } },
      devices: units.map(deviceOf),
      buffer: { commitEvery: '200ms', maxSize: '2MB' },
    });
    const folder = join(site.folder, 'state', 'buffer');
    site.daemon.start();
    await site.accepted(500);
    site.daemon.rewrite({ ...site.config, uplink: { kafka: { brokers: ['127.0.0.1:1'] } } });
    site.daemon.hangup();
    for (const from = performance.now(); performance.now() - from < awayMs; await sleep(250))
      mostBytes = Math.max(mostBytes, bytesIn(folder));
    site.daemon.rewrite(site.config);
    site.daemon.hangup();
    await sleep(5_000);
    exitCode = await site.daemon.end('SIGTERM');
    delivered = site.delivered();
    told = toldIn(delivered);
    tap = site.daemon.tap();
  }, awayMs + 60_000);

  afterAll(async () => {
    await site?.remove();
    await served?.server.close();
  });

  it('keeps to its quota', () => {
    expect(exitCode).toBe(0);
    expect(mostBytes).toBeGreaterThan(maxBytes / 2);
    expect(mostBytes).toBeLessThanOrEqual(maxBytes);
  });

  it('drops of both classes, sensor values first, and never an event', () => {
    const streams = told.map(({ stream }) => stream);
    expect(new Set(streams)).toEqual(new Set(['sensor-values', 'meter-readings']));
    const order = delivered.flatMap(({ value }) => toldIn([{ place: '', key: '', value }]).map(({ stream }) => stream));
    expect(order[0]).toBe('sensor-values');
    for (const stream of ['gateway-events', 'asset-metadata']) {
      const given = new Set(delivered.map(({ value }) => String((JSON.parse(value) as { id?: string }).id)));
      expect(acceptedOf(tap, stream).length).toBeGreaterThan(0);
      if (stream === 'gateway-events')
        expect(acceptedOf(tap, stream).filter((seq) => ![...given].some((id) => id.endsWith(`/${seq}`)))).toEqual([]);
    }
  });

  it.each(['sensor-values', 'meter-readings'])('%s: what is given and what is told is what was accepted', (stream) => {
    const accepted = acceptedOf(tap, stream);
    const given = new Set(
      delivered
        .filter(({ place }) => place === stream)
        .map(({ value }) => Number((JSON.parse(value) as { id: string }).id.split('/')[2])),
    );
    const missing = accepted.filter((seq) => !given.has(seq));
    const own = told.filter((one) => one.stream === stream);
    expect(missing.length).toBeGreaterThan(1_000);
    expect(sum(own.map(({ count }) => count))).toBe(missing.length);
    // One drop is told by an event for every device and kind: together they are all that is missing between its numbers.
    for (const drop of Map.groupBy(own, ({ firstSeq }) => firstSeq).values()) {
      const { firstSeq = 0, lastSeq = 0 } = drop[0] ?? {};
      const within = missing.filter((seq) => seq >= firstSeq && seq <= lastSeq);
      expect(sum(drop.map(({ count }) => count)), `${firstSeq}-${lastSeq}`).toBe(within.length);
    }
    expect(judge([], delivered)).toMatchObject({ altered: [], disordered: [] });
  });

  it('tells of each device and kind all that the device answered and that did not arrive, and between which times', () => {
    const polls = pollsOf(delivered);
    const refused = refusedIn(delivered);
    for (const unitId of units) {
      const name = `EM-${unitId}`;
      const times = served.times.get(unitId) ?? [];
      const points = ['polls', ...Object.keys(texts)];
      // But for a poll under way at the stop.
      const last = Math.min(...points.map((point) => Math.max(...(polls.get(`${name} ${point}`) ?? []))));
      expect(last, `${name} to its last poll`).toBeGreaterThanOrEqual(times.length - 1);
      const missing = points.map((point) => {
        const there = new Set(polls.get(`${name} ${point}`));
        return Array.from({ length: last }, (_, at) => at + 1).filter((poll) => !there.has(poll));
      });
      const own = told.filter((one) => one.device === name);
      const missed = sum(missing.map((some) => some.length));
      const toldOfAll = sum(own.map(({ count }) => count)) + (refused.get(name) ?? 0);
      expect(toldOfAll, `all of ${name}`).toBeGreaterThanOrEqual(missed);
      // A poll under way at the stop may have found no room.
      expect(toldOfAll, `all of ${name}`).toBeLessThanOrEqual(missed + (times.length - last) * points.length);
      const kinds = new Set(own.map(({ stream, kind }) => `${stream} ${kind}`));
      expect(kinds).toEqual(new Set(['sensor-values gauge', 'sensor-values text', 'meter-readings text']));
      for (const kind of kinds) {
        const spans = own.filter((one) => `${one.stream} ${one.kind}` === kind);
        const gone = missing[kind === 'sensor-values gauge' ? 0 : kind === 'sensor-values text' ? 1 : 2] ?? [];
        const [from, to] = [gone[0] ?? 0, gone.at(-1) ?? 0].map((poll) => times[poll - 1] ?? 0);
        expect(Math.abs((spans[0]?.fromMs ?? 0) - (from ?? 0)), `${name} ${kind}`).toBeLessThan(mostLateMs);
        expect(Math.abs((spans.at(-1)?.toMs ?? 0) - (to ?? 0)), `${name} ${kind}`).toBeLessThan(mostLateMs);
        for (const [at, span] of spans.entries()) {
          expect(span.fromMs, `${name} ${kind}`).toBeLessThanOrEqual(span.toMs);
          expect(span.fromMs, `${name} ${kind}`).toBeGreaterThan(spans[at - 1]?.toMs ?? 0);
        }
      }
    }
  });
});

/** Of each device: readings that found no room, where they came faster than older ones could be dropped. */
function refusedIn(delivered: readonly Delivered[]): Map<string, number> {
  const refused = new Map<string, number>();
  for (const { value } of delivered) {
    const { facts } = JSON.parse(value) as { facts?: { devices?: string } };
    for (const one of facts?.devices?.split(', ') ?? []) {
      const [name = '', count] = one.split(': ');
      refused.set(name, (refused.get(name) ?? 0) + Number(count));
    }
  }
  return refused;
}

/** Of what counts to the quota: not the index beside a WAL, which lies in memory. */
function bytesIn(folder: string): number {
  const names = readdirSync(folder).filter((name) => !name.endsWith('-shm'));
  return sum(names.map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0));
}
