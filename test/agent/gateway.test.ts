import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../agent/config/load.ts';
import { startGateway } from '../../agent/gateway.ts';
import type { Gateway } from '../../agent/gateway.ts';
import { serveStatus } from '../../agent/status/http.ts';
import { systemClock } from '../../agent/time/system-clock.ts';
import type { SystemClock } from '../../agent/time/system-clock.ts';
import { timeSource } from '../../agent/time/time-sources.ts';
import { run } from '../support/command-line.ts';
import { SameThreadWriter } from '../support/same-thread-writer.ts';
import { startCountingServer } from '../simulators/modbus-raw-server.ts';
import type { CountingServer } from '../simulators/modbus-raw-server.ts';

let folder: string;
let meters: CountingServer;
let clock: SystemClock;
const running: Gateway[] = [];
const quiet = { info: () => undefined, warning: () => undefined, error: () => undefined };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-gateway-'));
  meters = await startCountingServer({ units: [1], registers: 10 });
  clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
});

afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop(0, AbortSignal.timeout(5_000));
  clock.close();
  await meters.close();
  rmSync(folder, { recursive: true, force: true });
});

function site(some: Record<string, unknown> = {}): string {
  const file = join(folder, 'sluice.json');
  const points = [
    { name: 'polls', unit: '1', address: 0, type: 'uint32', every: '100ms' },
    { name: 'energy', kind: 'counter', unit: 'kWh', address: 2, type: 'uint32', every: '1s', scale: 0.01 },
  ];
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      gateway: 'ps-12',
      site: { id: 'PS12', name: 'Pump station 12' },
      connections: { panel: { driver: 'modbus-tcp', host: '127.0.0.1', port: meters.port, timeout: '300ms' } },
      devices: [
        { id: 'EM-1', connection: 'panel', unitId: 1, asset: { id: 'PS12/P1' }, points },
        { id: 'EM-9', connection: 'panel', unitId: 9, points },
      ],
      stateDir: join(folder, 'state'),
      buffer: { commitEvery: '50ms' },
      uplink: { file: { path: join(folder, 'out.ndjson') } },
      ...some,
    }),
  );
  return file;
}

async function started(file: string, afterCheck: () => void = () => undefined): Promise<Gateway> {
  const { config, problems } = loadConfig(file, { env: {} });
  if (!config) throw new Error(problems.map(({ message }) => message).join('\n'));
  afterCheck();
  const gateway = await startGateway(config, { clock, log: quiet, writer: new SameThreadWriter() });
  running.push(gateway);
  return gateway;
}

interface Line {
  readonly topic: string;
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
/** All but tombstones. */
function delivered(): Line[] {
  const text = readFileSync(join(folder, 'out.ndjson'), 'utf8');
  const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
  return lines.filter(({ value }) => (value as unknown) !== null);
}

describe('the gateway', () => {
  it('brings a register all the way into a record with every key of the contract', async () => {
    const gateway = await started(site());
    // The slot that was due at the start may have passed before the link was open, and is then truly bad.
    await expect.poll(() => gateway.status().connections[0]?.state).toBe('open');
    const openMs = Date.now();
    await sleep(1_500);
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    const energy = delivered().find(
      ({ value }) =>
        value['point'] === 'energy' && value['device'] === 'EM-1' && Date.parse(String(value['slot'])) >= openMs,
    );
    expect(Object.keys(energy?.value ?? {})).toEqual(
      'id gateway site device asset serial point kind value text unit quality status exceptionCode time timeSource clock slot map raw deviceTime repeat'.split(
        ' ',
      ),
    );
    expect(energy).toMatchObject({
      topic: 'meter-readings',
      key: 'ps-12/EM-1',
      value: {
        gateway: 'ps-12',
        site: 'PS12',
        asset: 'PS12/P1',
        serial: null,
        kind: 'counter',
        unit: 'kW.h',
        quality: 'good',
        status: 'Good',
        clock: 'unknown',
      },
    });
    const { value, raw } = energy?.value ?? {};
    const words = String(raw)
      .split(' ')
      .map((word) => Number.parseInt(word, 16));
    expect(value).toBe(Number(`${(words[0] ?? 0) * 65_536 + (words[1] ?? 0)}e-2`));
  });

  it('tells start, a lost device and stop as events, each under an identity', async () => {
    const gateway = await started(site());
    await sleep(700);
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    const events = delivered().filter(({ topic }) => topic === 'gateway-events');
    expect(events.map(({ value }) => [value['event'], value['device']])).toEqual([
      ['start', null],
      ['device-lost', 'EM-9'],
      ['stop', null],
    ]);
    expect(Object.keys(events[0]?.value ?? {})).toEqual(
      'id gateway site event severity device point time clock message facts'.split(' '),
    );
  });

  it('asks its meters before it loads the uplink, and leaves them and the buffer alone when that cannot be used', async () => {
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n');
    const { config } = loadConfig(site({ uplink: { kafka: { brokers: ['127.0.0.1:1'], tls: { ca } } } }), { env: {} });
    if (!config) throw new Error('no configuration');
    rmSync(ca);
    await expect(startGateway(config, { clock, log: quiet, writer: new SameThreadWriter() })).rejects.toThrow('ca.pem');
    await sleep(300);
    const polls = meters.polls(1);
    expect(polls).toBeGreaterThan(0);
    await sleep(300);
    expect(meters.polls(1)).toBe(polls);
    await started(site());
  });

  it('marks a counter that rises faster than it can, and sends what reports changes once', async () => {
    const points = [
      { name: 'still', unit: '1', address: 0, every: '100ms', report: 'change' },
      {
        name: 'fast',
        kind: 'counter',
        unit: 'm3',
        address: 0,
        type: 'uint32',
        scale: 10,
        every: '100ms',
        maxRate: '1/h',
      },
    ];
    const devices = [{ id: 'EM-1', connection: 'panel', unitId: 1, points }];
    const gateway = await started(site({ devices }));
    await expect.poll(() => meters.polls(1)).toBeGreaterThan(4);
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    const of = (point: string): Line['value'][] =>
      delivered().flatMap(({ value }) => (value['point'] === point && value['event'] === undefined ? [value] : []));
    // A slot before the link was open is bad, and then a change.
    const still = of('still').map(({ value }) => value);
    expect(still).toContain(0);
    expect(still.filter((value, index) => value === 0 && still[index - 1] === 0)).toEqual([]);
    expect(of('fast')).toContainEqual(
      expect.objectContaining({
        quality: 'uncertain',
        status: 'UncertainSensorNotAccurate',
        value: expect.any(Number),
      }),
    );
    const jumps = delivered().filter(({ value }) => value['event'] === 'counter-jump');
    expect(jumps).toMatchObject([{ topic: 'gateway-events', value: { device: 'EM-1', point: 'fast' } }]);
  });

  it('holds a device that left the file and came back against nothing', async () => {
    const falls = { name: 'left', kind: 'counter', unit: '1', address: 0, type: 'uint32', scale: -1, every: '100ms' };
    const away = { id: 'EM-2', connection: 'panel', unitId: 1, points: [falls] };
    const stays = { id: 'EM-1', connection: 'panel', unitId: 1, points: [{ ...falls, name: 'stayed' }] };
    const gateway = await started(site({ devices: [stays, away] }));
    const qualities = (point: string): unknown[] =>
      delivered().flatMap(({ value: { point: of, value, quality, event } }) =>
        of === point && event === undefined && value !== null ? [quality] : [],
      );
    // One good reading, from which all others fall.
    await expect.poll(() => qualities('left').length, { timeout: 5_000 }).toBeGreaterThan(3);
    expect(qualities('left').filter((quality) => quality === 'good')).toHaveLength(1);
    for (const devices of [[stays], [stays, away]]) {
      const { config } = loadConfig(site({ devices }), { env: {} });
      if (config) await gateway.reload(config);
    }
    await expect
      .poll(() => qualities('left').filter((quality) => quality === 'good').length, { timeout: 5_000 })
      .toBe(2);
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    expect(qualities('stayed').filter((quality) => quality === 'good')).toHaveLength(1);
  });

  it('ends when a changed configuration could be taken up only in part, and says so', async () => {
    const file = site();
    const gateway = await started(file);
    const { config } = loadConfig(file, { env: {} });
    const [panel] = config?.connections ?? [];
    const [device] = panel?.devices ?? [];
    if (!config || !panel || !device) throw new Error('a connection with a device');
    const failing = {
      ...device,
      get points(): never {
        throw new Error('the second line is none');
      },
    };
    const next = { ...config, connections: [panel, { ...panel, id: 'second', devices: [failing] }] };
    await expect(gateway.reload(next)).rejects.toThrow('the second line is none');
    expect(await gateway.failed).toMatchObject({ message: 'the second line is none' });
    const refusals = (): Line['value'][] =>
      delivered().flatMap(({ value }) => (value['event'] === 'config-refused' ? [value] : []));
    await expect.poll(() => refusals().length, { timeout: 5_000 }).toBe(1);
    const told = refusals();
    expect(told[0]).toMatchObject({ severity: 'error', facts: { problems: 1, reason: 'the second line is none' } });
    expect(told[0]?.['message']).toMatch(/only in part: the second line is none\. The daemon ends now/);
    expect(told[0]?.['message']).not.toMatch(/as it was/);
  });

  it('goes on with its sequence and its slots at the next start', async () => {
    const first = await started(site());
    await sleep(1_300);
    await first.stop(1_000, AbortSignal.timeout(5_000));
    const second = await started(join(folder, 'sluice.json'));
    await sleep(1_300);
    await second.stop(1_000, AbortSignal.timeout(5_000));
    const readings = delivered().filter(({ value }) => value['device'] === 'EM-1' && value['kind'] === 'counter');
    const slots = readings.map(({ value }) => value['slot']);
    expect(new Set(slots).size).toBe(slots.length);
    const ids = delivered().map(({ value }) => String(value['id']));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('announces its devices at the start and at a reload, and notes it also when it stops before the next commit', async () => {
    const announced = (): string[] => {
      const text = readFileSync(join(folder, 'out.ndjson'), 'utf8');
      const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
      return lines
        .filter(({ topic }) => topic === 'asset-metadata')
        .map(({ key, value }) => `${key.replace(/@.*/, '@')}${(value as unknown) === null ? ' buried' : ''}`);
    };
    const both = ['ps-12/EM-1@', 'ps-12/EM-1', 'ps-12/EM-9@', 'ps-12/EM-9'];
    const gateway = await started(site({ buffer: { commitEvery: '20s' } }));
    await sleep(1_500);
    await gateway.stop(1_000, AbortSignal.timeout(5_000));
    const again = await started(site());
    await expect.poll(announced, { timeout: 10_000 }).toEqual(both);
    const [first] = (JSON.parse(readFileSync(site(), 'utf8')) as { devices: object[] }).devices;
    const { config } = loadConfig(site({ devices: [first] }), { env: {} });
    if (config) await again.reload(config);
    await expect.poll(announced, { timeout: 10_000 }).toEqual([...both, 'ps-12/EM-9', 'ps-12/EM-9 buried']);
    await again.stop(1_000, AbortSignal.timeout(5_000));
  });

  it('stops in order also when the next commit would be long after', async () => {
    const file = site({ buffer: { commitEvery: '30s' } });
    const first = await started(file);
    await expect.poll(() => first.status().connections[0]?.state).toBe('open');
    await sleep(500);
    await first.stop(1_000, AbortSignal.timeout(5_000));
    const second = await started(file);
    // A lane that is not connected yet is left to the next start.
    await expect.poll(() => second.status().uplink['gateway-events']?.phase).toBe('connected');
    await second.stop(1_000, AbortSignal.timeout(5_000));
    const told = delivered().filter(({ value }) => value['event'] === 'start' || value['event'] === 'stop');
    expect(told.map(({ value }) => [value['event'], (value['facts'] as { before?: string }).before])).toEqual([
      ['start', 'none'],
      ['stop', undefined],
      ['start', 'clean'],
      ['stop', undefined],
    ]);
    expect(delivered().some(({ topic }) => topic === 'sensor-values')).toBe(true);
  });

  it('counts what a full buffer refuses and tells it as loss with devices, count and reason', async () => {
    const many = Array.from({ length: 60 }, (_, at) => ({
      name: `p${at}`,
      unit: '1',
      address: 0,
      type: 'float32',
      every: '100ms',
      min: at,
    }));
    const file = site({
      uplink: { file: { path: join(folder, 'nowhere') } },
      buffer: { commitEvery: '50ms', maxSize: '1MB', whenFull: 'stop' },
      devices: Array.from({ length: 40 }, (_, at) => ({
        id: `EM-${at}`,
        connection: 'panel',
        unitId: 1,
        points: many,
      })),
    });
    // The uplink cannot write: its file is a folder, made after the check.
    const gateway = await started(file, () => mkdirSync(join(folder, 'nowhere')));
    await expect.poll(() => gateway.status().buffer.refused, { timeout: 25_000 }).toBeGreaterThan(0);
    await gateway.stop(0, AbortSignal.timeout(5_000));
    const { refused } = gateway.status().buffer;
    const again = await started(site());
    await expect.poll(() => delivered().some(({ value }) => value['event'] === 'loss'), { timeout: 10_000 }).toBe(true);
    await again.stop(3_000, AbortSignal.timeout(5_000));
    const losses = delivered().filter(({ value }) => value['event'] === 'loss');
    const counted = losses.reduce((sum, { value }) => sum + (value['facts'] as { count: number }).count, 0);
    expect(counted).toBe(refused);
    expect(losses[0]?.value['message']).toMatch(/whenFull is "stop"/);
  });

  it('shows what it is doing on loopback, and nothing else', async () => {
    const gateway = await started(site());
    const server = await serveStatus({
      listen: { host: '127.0.0.1', port: 0 },
      status: () => gateway.status(),
      version: '0.0.0',
      clock,
      log: quiet,
    });
    await sleep(500);
    const get = (path: string, method = 'GET'): Promise<Response> =>
      fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    expect(await (await get('/healthz')).json()).toEqual({ ok: true, wrong: [] });
    expect(await (await get('/status.json')).json()).toMatchObject({
      gateway: 'ps-12',
      connections: [{ connection: 'panel', state: 'open' }],
      devices: [{ device: 'EM-1', presence: 'ok' }, { device: 'EM-9' }],
    });
    await server.close();
  });
});

describe('sluice read', () => {
  async function read(...args: string[]): Promise<{ code: number | null; text: string }> {
    const { code, stdout } = await run('read', site(), ...args);
    return { code, text: stdout };
  }

  it('prints one line per reading with the record that run would send, without identity and slot, and the raw words', async () => {
    const { code, text } = await read('--json', '--device', 'EM-1');
    expect(code).toBe(0);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      topic: 'sensor-values',
      key: 'ps-12/EM-1',
      raw: '0000 0001',
      value: { id: null, slot: null, value: 1, raw: null },
    });
    expect(lines[1]).toMatchObject({ topic: 'meter-readings', value: { point: 'energy', unit: 'kW.h' } });
  });

  it('shows the address with both references, and ends with 1 when a device is silent', async () => {
    const { code, text } = await read();
    expect(code).toBe(1);
    expect(text).toMatch(/^ {2}polls +1 +1 +holding 0 \(40001, 400001\) +0000 0001 +good$/m);
    expect(text).toMatch(
      /^EM-9, \d+ ms\n[^]* bad: exception 0B: the gateway in between got no answer from the device \(BadNoCommunication\)$/m,
    );
    expect(text).toMatch(/4 points, 2 bad/);
  });

  it('names the devices there are when one does not exist', async () => {
    await expect(read('--device', 'EM-7')).resolves.toMatchObject({ code: 2 });
  });
});
