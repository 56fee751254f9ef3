import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { UplinkError } from '../../../agent/errors.ts';
import type { GatewayStatus } from '../../../agent/status/facts.ts';
import { machineHash } from '../../../agent/status/machine.ts';
import { StatusPublisher } from '../../../agent/status/publisher.ts';
import { statusRecord } from '../../../agent/status/record.ts';
import type { StatusRecord } from '../../../agent/status/record.ts';
import type { OutRecord, Uplink } from '../../../agent/uplink/uplink.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { deviceState, goodLane, wellStatus } from '../../support/gateway-status.ts';

const identity = { machine: 'f'.repeat(32), version: '1.2.3', config: '0123456789ab' };

class Bench {
  readonly clock = new FakeClock();
  readonly sent: { to: string; atMs: number; uplink: number; record: StatusRecord; raw: OutRecord }[] = [];
  readonly logged: string[] = [];
  status: GatewayStatus = wellStatus;
  connecting: (attempt: number) => Error | 'hangs' | null = () => null;
  sending: (attempt: number) => Error | 'hangs' | null = () => null;
  made = 0;
  open = 0;
  #sends = 0;
  readonly publisher = new StatusPublisher({
    record: (state) => statusRecord({ ...this.status, now: this.clock.now() }, identity, state),
    clock: this.clock,
    log: (severity, message) => this.logged.push(`${severity} ${message}`),
    random: () => 1,
  });

  readonly uplinks = (): Uplink => {
    const uplink = ++this.made;
    if (++this.open > 1) throw new Error('a second uplink before the first was closed');
    return {
      connect: (signal) => verdict(this.connecting(uplink), signal),
      send: async (to, records, signal) => {
        await verdict(this.sending(++this.#sends), signal);
        const raw = records[0] as OutRecord;
        const record = JSON.parse(raw.value ?? '') as StatusRecord;
        this.sent.push({ to, atMs: this.clock.now().bootMs - begunMs, uplink, record, raw });
      },
      close: async () => {
        this.open--;
      },
    };
  };

  /** Seconds since the start at which records were sent. */
  get times(): number[] {
    return this.sent.map(({ atMs }) => atMs / 1000);
  }
}

const begunMs = new FakeClock().now().bootMs;
const never = new AbortController().signal;

async function verdict(found: Error | 'hangs' | null, signal: AbortSignal): Promise<void> {
  if (found instanceof Error) throw found;
  if (found === 'hangs')
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new UplinkError('retry', 'ABORTED', 'aborted')), { once: true });
    });
}

describe('the newest state', () => {
  it('is sent on connect and then each minute, while only counts move', async () => {
    const bench = new Bench();
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    const { buffer, devices } = wellStatus;
    for (let at = 0; at < 150; at += 5) {
      bench.status = {
        ...wellStatus,
        buffer: { ...buffer, bytes: at, commits: at, waiting: { ...buffer.waiting, 'sensor-values': at } },
        devices: devices.map((one) => ({ ...one, polls: at, good: at })),
        uplink: { 'meter-readings': { ...goodLane, delivered: at } },
      };
      await bench.clock.advance(5_000);
    }
    expect(bench.times).toEqual([0, 60, 120]);
    expect(bench.sent[0]?.to).toBe('gateway-status');
    expect(bench.sent[0]?.raw).toMatchObject({ key: 'ps-12', timestampMs: Date.parse('2026-11-22T13:00:00Z') });
    expect(bench.sent[2]?.record).toMatchObject({ bufferBytes: 115, bufferWaiting: 115, state: 'running' });
  });

  it('is sent within 5 s when something happened, and never oftener', async () => {
    const bench = new Bench();
    await bench.publisher.renew(bench.uplinks, never);
    await bench.clock.advance(7_000);
    for (let at = 0; at < 10; at++) {
      const presence = at % 2 === 0 ? 'lost' : 'ok';
      bench.status = { ...wellStatus, devices: [deviceState('EM-1', { presence })] };
      await bench.clock.advance(1_000);
    }
    await bench.clock.advance(30_000);
    expect(bench.times).toEqual([0, 10, 15]);
    expect(bench.sent[1]?.record).toMatchObject({ devicesOk: 0, devicesLost: 1, lost: ['EM-1'] });
  });

  it.each([
    ['a lane that delivers no more', { uplink: { 'meter-readings': { ...goodLane, phase: 'waiting' } } }],
    ['a full buffer', { buffer: { ...wellStatus.buffer, full: true } }],
    ['a clock that is not to be believed', { now: { ...wellStatus.now, trust: 'unsynced' } }],
    ['another site', { site: 'PS13' }],
  ] as [string, Partial<GatewayStatus>][])('is news with %s', async (_, change) => {
    const bench = new Bench();
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    bench.status = { ...wellStatus, ...change };
    bench.clock.trust = change.now?.trust ?? 'synced';
    await bench.clock.advance(6_000);
    expect(bench.times).toEqual([0, 5]);
  });

  it('comes by a fresh uplink after a failure, as it is then; nobody is told what the lanes tell', async () => {
    const bench = new Bench();
    bench.sending = (attempt) => (attempt < 3 ? new UplinkError('retry', 'NETWORK', 'reset') : null);
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    bench.status = { ...wellStatus, site: 'PS13' };
    await bench.clock.advance(5_000);
    expect([bench.sent.length, bench.made, bench.open]).toEqual([1, 3, 1]);
    expect(bench.sent[0]?.record.site).toBe('PS13');
    expect(bench.logged).toEqual([]);
  });

  it('says once that its topic is missing, tries each minute, and heals by itself', async () => {
    const bench = new Bench();
    const missing = new UplinkError('operator', 'UNKNOWN_TOPIC_OR_PARTITION', 'no topic gateway-status');
    bench.sending = () => missing;
    await bench.publisher.renew(bench.uplinks, never);
    await bench.clock.advance(10 * 60_000);
    expect(bench.logged).toEqual([
      "error gateway-status: no topic gateway-status (UNKNOWN_TOPIC_OR_PARTITION); readings are not concerned, only the gateway's state is",
    ]);
    expect(bench.made).toBeLessThan(15);
    expect(bench.publisher.state()['gateway-status']).toMatchObject({
      phase: 'waiting',
      lastError: { fate: 'operator' },
    });
    bench.sending = () => null;
    await bench.clock.advance(61_000);
    expect(bench.publisher.state()['gateway-status']).toMatchObject({ phase: 'connected', lastError: null });
    expect(bench.logged[1]).toBe('info gateway-status: delivers again');
  });

  it('does not hide a fault of the program', async () => {
    const bench = new Bench();
    bench.sending = () => new TypeError('x is not a function');
    await bench.publisher.renew(bench.uplinks, never);
    await bench.clock.advance(60_000);
    expect(bench.logged).toEqual([expect.stringMatching(/^error gateway-status: x is not a function \(UNEXPECTED\)/)]);
  });

  it('says at a stop that it stopped, as its last', async () => {
    const bench = new Bench();
    await bench.publisher.renew(bench.uplinks, never);
    await bench.clock.advance(2_000);
    await bench.publisher.stop(never);
    await bench.publisher.stop(never);
    expect(bench.sent.map(({ record }) => record.state)).toEqual(['running', 'stopped']);
    expect([bench.open, bench.publisher.state()['gateway-status']?.phase]).toEqual([0, 'stopped']);
  });

  it.each(['connecting', 'sending'] as const)('keeps no stop waiting while %s hangs', async (what) => {
    const bench = new Bench();
    bench[what] = () => 'hangs';
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    const enough = new AbortController();
    const stopped = bench.publisher.stop(enough.signal);
    await settled();
    enough.abort();
    await stopped;
    expect([bench.sent, bench.open]).toEqual([[], 0]);
  });

  it('goes on by a new uplink without saying that it stopped, and by none where there is none', async () => {
    const bench = new Bench();
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    await bench.publisher.renew(bench.uplinks, never);
    await settled();
    expect(bench.sent.map(({ record, uplink }) => [record.state, uplink])).toEqual([
      ['running', 1],
      ['running', 2],
    ]);
    expect(bench.publisher.state()['gateway-status']?.delivered).toBe(2);
    await bench.publisher.renew(null, never);
    await bench.clock.advance(120_000);
    expect([bench.sent.length, bench.open, bench.publisher.state()]).toEqual([2, 0, {}]);
  });
});

describe('a record of the state', () => {
  it('stays small with a thousand lost devices, and does not speak of its own lane', () => {
    const devices = Array.from({ length: 1_000 }, (_, at) =>
      deviceState(`${at}-${'x'.repeat(58)}`, { presence: 'lost' }),
    );
    const uplink = { 'meter-readings': goodLane, 'gateway-status': goodLane };
    const record = statusRecord({ ...wellStatus, devices, uplink }, identity, 'running');
    expect([record.devicesLost, record.lost.length, Object.keys(record.lanes)]).toEqual([
      1_000,
      50,
      ['meter-readings'],
    ]);
    expect(JSON.stringify(record).length).toBeLessThan(8_000);
  });
});

describe('the hash of a machine', () => {
  const roots: string[] = [];
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
  });
  const serialNumber = 'sys/firmware/devicetree/base/serial-number';

  function machine(files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(tmpdir(), 'sluice-machine-'));
    roots.push(root);
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), content);
    }
    return root;
  }

  it('is the same at every start and never shows what it is made of', () => {
    const root = machine({ 'etc/machine-id': '3d1219c7c4c5404aaa1f6d2a48adfda4\n' });
    expect(machineHash('ps-12', root)).toMatch(/^[0-9a-f]{32}$/);
    expect(machineHash('ps-12', root)).toBe(machineHash('ps-12', root));
    expect(machineHash('ps-12', root)).not.toBe(machineHash('ps-13', root));
    expect(machineHash('ps-12', root)).not.toContain('3d1219c7');
  });

  it('differs on another board that runs a copy of the card', () => {
    const card = { 'etc/machine-id': '3d1219c7c4c5404aaa1f6d2a48adfda4\n' };
    const hashes = ['10000000a1\0', '10000000b2\0'].map((serial) =>
      machineHash('ps-12', machine({ ...card, [serialNumber]: serial })),
    );
    expect(new Set(hashes).size).toBe(2);
  });

  it('looks at built-in network cards where nothing else is soldered, not at those that come and go', () => {
    const card = (usb: boolean, address: string): string => {
      const devices = {
        eth0: 'pci0000:00/0000:00:03.0/net/eth0',
        usb0: 'pci0000:00/usb1/1-1/net/usb0',
        lo: 'virtual/net/lo',
      };
      const root = machine({
        'etc/machine-id': 'same',
        [`sys/devices/${devices.eth0}/address`]: `${address}\n`,
        [`sys/devices/${devices.lo}/address`]: '00:00:00:00:00:00\n',
        ...(usb ? { [`sys/devices/${devices.usb0}/address`]: '02:00:00:00:00:09\n' } : {}),
      });
      mkdirSync(join(root, 'sys/class/net'), { recursive: true });
      for (const [name, place] of Object.entries(devices))
        if (usb || name !== 'usb0') symlinkSync(`../../devices/${place}`, join(root, 'sys/class/net', name));
      return machineHash('ps-12', root) ?? '';
    };
    expect(card(true, '02:00:00:00:00:01')).toBe(card(false, '02:00:00:00:00:01'));
    expect(card(false, '02:00:00:00:00:01')).not.toBe(card(false, '02:00:00:00:00:02'));
  });

  it('is null where nothing tells one machine from another', () => {
    expect(machineHash('ps-12', machine({ 'etc/hostname': 'x' }))).toBeNull();
  });
});
