import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../agent/config/load.ts';
import { type Evidence, judge } from '../../deploy/demo/judge.ts';
import { parseOptions } from '../../deploy/demo/options.ts';
import type { FoundRecord } from '../../deploy/demo/read-records.ts';
import { parseTapLine } from '../../deploy/demo/tap.ts';
import { verdictTable } from '../../deploy/demo/verdict-table.ts';
import { type View, plainLine, screen } from '../../deploy/demo/view.ts';

const demo = join(import.meta.dirname, '../../deploy/demo/demo.ts');
const station = join(import.meta.dirname, '../../deploy/demo/sluice.json');
/** Of a machine without Java. */
const noJava = { ...process.env, PATH: '/nonexistent' };

function record(seq: number, offset: number, other: Partial<FoundRecord> = {}, repeat = false): FoundRecord {
  const value = `{"id":"ps-12/41-k3v9q0za/${seq}","device":"EM-1","repeat":${repeat}}`;
  return { stream: 'meter-readings', partition: 0, offset, key: 'ps-12/EM-1', value, ...other };
}

function evidence(ranges: string, records: FoundRecord[], rows: number): Evidence {
  const { stream, names } = parseTapLine(`41-k3v9q0za meter-readings ${ranges}`);
  return {
    gateway: 'ps-12',
    accepted: new Map([[stream, new Set(names)]]),
    records,
    consumed: { 'meter-readings': { consumer: 'finance', rows } },
  };
}

describe('the verdict', () => {
  const sent = [record(7, 0), record(8, 1), record(9, 2)];

  it('is good when tap, topic and consumer agree, repeats included', () => {
    const verdict = judge(evidence('7-9', [...sent, record(8, 3, {}, true)], 3));
    expect(verdict).toEqual({
      counts: [{ stream: 'meter-readings', accepted: 3, delivered: 3, repeated: 1, lost: 0, consumed: 3 }],
      lost: 0,
      problems: [],
    });
    expect(verdictTable(verdict).at(-1)).toBe('lost 0, all counts agree');
  });

  it.each([
    ['one more was accepted than arrived', evidence('7-10', sent, 3), '1 accepted, but not in the topic'],
    ['one arrived that was never accepted', evidence('7-8', sent, 3), 'no commit named, e.g. ps-12/41-k3v9q0za/9'],
    ['the consumer has one too few', evidence('7-9', sent, 2), 'distinct ids, finance has 2'],
    ['the consumer has one twice', evidence('7-9', sent, 4), 'distinct ids, finance has 4'],
    [
      'a repeat says something else',
      evidence('7-9', [...sent, record(9, 3, { key: 'x' }, true)], 3),
      'different content',
    ],
    ['a device is out of order', evidence('7-9', [record(8, 0), record(7, 1), record(9, 2)], 3), 'is not in order'],
    [
      'a device is in two partitions',
      evidence('7-8', [record(7, 0), record(8, 0, { partition: 1 })], 2),
      'several partitions',
    ],
    ['a record has no id', evidence('7-9', [...sent, record(1, 3, { value: '{}' })], 4), '1 records without an id'],
    ['nothing was accepted', { ...evidence('7', [], 0), accepted: new Map() }, 'nothing was accepted'],
  ])('is bad when %s', (_, given, problem) => {
    const { problems } = judge(given);
    expect(problems.join('\n')).toContain(problem);
  });

  it('counts a tombstone by the record of its key before it, and takes a record without a mark for a repeat when its id is known', () => {
    const stream = 'asset-metadata';
    const said = (seq: number, offset: number): FoundRecord =>
      record(seq, offset, { stream, value: `{"id":"ps-12/41-k3v9q0za/${seq}","device":"EM-1"}` });
    const buried = (offset: number): FoundRecord => record(0, offset, { stream, value: null });
    const sentTwice = [said(1, 0), said(2, 1), buried(2), said(4, 3), said(2, 4), buried(5), said(4, 6)];
    const { names } = parseTapLine('41-k3v9q0za asset-metadata 1-4');
    const accepted = new Map([[stream, new Set(names)]]);
    const given = { gateway: 'ps-12', accepted, consumed: { [stream]: { consumer: 'register', rows: 4 } } };
    const verdict = judge({ ...given, records: sentTwice });
    expect(verdict).toMatchObject({ problems: [], counts: [{ accepted: 4, delivered: 4, repeated: 3, consumed: 4 }] });
    expect(judge({ ...given, records: sentTwice.filter(({ value }) => value !== null) }).lost).toBe(1);
    expect(judge({ ...given, records: [said(2, 0), buried(1), said(1, 2), said(4, 3)] }).problems.join()).toContain(
      'not in order',
    );
  });

  it('leaves other gateways and other starts in the same topic alone', () => {
    const foreign = [
      record(1, 3, { key: 'ps-13/EM-1', value: '{"id":"ps-13/1-a/1"}' }),
      record(1, 4, { value: '{"id":"ps-12/40-b/1"}' }),
    ];
    expect(judge(evidence('7-9', [...sent, ...foreign], 5)).problems).toEqual([]);
  });

  it('keeps the order over a restart of the gateway', () => {
    const [before, after] = ['9-zzzzzzzz/20', '10-aaaaaaaa/21'].map((name, offset) =>
      record(0, offset, { value: `{"id":"ps-12/${name}"}` }),
    );
    const accepted = new Map([['meter-readings', new Set(['9-zzzzzzzz/20', '10-aaaaaaaa/21'])]]);
    expect(
      judge({ ...evidence('1', [], 2), accepted, records: [before, after].flatMap((one) => one ?? []) }).problems,
    ).toEqual([]);
  });
});

it('reads the lines of a tap, and refuses what is none', () => {
  expect(parseTapLine('1-a sensor-values 3-5,8')).toEqual({
    stream: 'sensor-values',
    names: ['1-a/3', '1-a/4', '1-a/5', '1-a/8'],
  });
  for (const line of ['', '1-a sensor-values', '1-a sensor-values 3-', '1-a sensor-values 3 4']) {
    expect(() => parseTapLine(line)).toThrow('not a line of a tap');
  }
});

it('understands its options, or says which are allowed', () => {
  expect(parseOptions(['--seconds', '40', '--outage', '10-25'])).toEqual({
    seconds: 40,
    outage: { fromSeconds: 10, toSeconds: 25 },
    dir: null,
    keep: false,
  });
  expect(parseOptions([])).toMatchObject({ seconds: null, outage: null });
  expect(parseOptions(['--seconds', 'x'])).toContain('--seconds x; allowed');
  expect(parseOptions(['--outage', '25'])).toContain('--outage 25; allowed');
  expect(parseOptions(['--outage', '25-10'])).toContain('A before B');
  expect(parseOptions(['--seconds', '20', '--outage', '10-25'])).toContain('B before the end');
  expect(parseOptions(['--second', '20'])).toContain('--second');
});

it('has a configuration without problems, at least six devices with points of every kind, behind Modbus and OPC UA', () => {
  const { problems, config } = loadConfig(station, { env: {}, noSecrets: true });
  expect(problems).toEqual([]);
  const devices = config?.connections.flatMap((connection) => connection.devices) ?? [];
  expect(devices.length).toBeGreaterThanOrEqual(6);
  const kinds = devices.flatMap(({ points }) => points.map(({ info }) => info.kind));
  expect(new Set(kinds)).toEqual(new Set(['counter', 'gauge', 'state', 'text']));
  expect(new Set(config?.connections.map(({ driver }) => driver))).toEqual(new Set(['modbus-tcp', 'opcua']));
});

describe('what it shows', () => {
  const register = {
    device: 'EM-P1',
    point: 'energy',
    table: 'input',
    address: 72,
    type: 'float32',
    byteOrder: 'ABCD',
    scale: 1,
    nodeId: null,
  };
  const view: View = {
    station: { gateway: 'ps-12', site: 'Pump station 12', devices: [{ id: 'EM-P1', name: 'Pump 1 supply' }] },
    timeMs: new Date(2026, 10, 22, 12, 0, 15).getTime(),
    elapsedSeconds: 15.4,
    seconds: 40,
    uplink: 'Kafka is STOPPED',
    answering: new Set(['EM-P1']),
    accepted: 1234,
    arrived: 1200,
    ledgerRows: 120,
    gaps: 0,
    booked: [
      {
        device: 'EM-P1',
        point: 'energy',
        slot: '2026-11-22T11:00:10.000Z',
        used: 0.125,
        unit: 'kW.h',
        map: '9f31c20a77e1',
      },
    ],
    seen: 1080,
    latest: [{ device: 'EM-P1', point: 'power', value: 8211.04, unit: 'W', status: 'Good' }],
    assets: 6,
    registers: [
      { ...register, map: 'aaaaaaaaaaaa', address: 73 },
      { ...register, map: '9f31c20a77e1' },
    ],
    news: ['12:00:10 OUTAGE: the broker is stopped.'],
  };

  it('says all in one line where there is no terminal', () => {
    expect(plainLine(view)).toBe(
      '12:00:15 meters 1/1, accepted 1,234, arrived 1,200, waiting 34, Kafka is STOPPED, ' +
        'finance: 120 rows (EM-P1 energy +0.125 kW.h), reporting: 1,080 readings (EM-P1 power 8211 W), ' +
        'assets: 6 devices (EM-P1 energy is input 72, float32 ABCD x 1)',
    );
  });

  it('names the node where a total came from a server', () => {
    const nodeId = 'nsu=urn:plc;s=Total';
    const ofNode = { ...register, table: null, address: null, type: null, byteOrder: null, nodeId };
    const line = plainLine({ ...view, registers: [{ ...ofNode, map: '9f31c20a77e1' }] });
    expect(line).toContain('(EM-P1 energy is nsu=urn:plc;s=Total x 1)');
  });

  it('fits a narrow terminal and honours the wish for no colour', () => {
    const lines = screen(view, { columns: 40, rows: 24, color: false });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
    expect(lines.join('')).not.toContain('\u001B');
    expect(screen(view, { columns: 80, rows: 24, color: true }).join('')).toContain('\u001B[31m');
  });

  it('leaves devices out on a low terminal, and not what happens', () => {
    const devices = Array.from({ length: 20 }, (_, at) => ({ id: `EM-${at}`, name: 'Pump' }));
    const many = { ...view, station: { ...view.station, devices } };
    const low = screen(many, { columns: 80, rows: 24, color: false });
    expect(low).toHaveLength(23);
    expect(low.at(-1)).toContain('OUTAGE: the broker is stopped.');
    expect(low.at(-3)).toBe('  … and 11 more');
    const high = screen(many, { columns: 80, rows: 60, color: false }).join('\n');
    expect(high).toContain('EM-19');
    expect(high).not.toContain('more');
  });
});

describe('on a machine without Kafka', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'sluice-demo-test-'));
  });
  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('refuses an outage with the reason', async () => {
    const refused = promisify(execFile)(process.execPath, [demo, '--outage', '3-5'], { env: noJava });
    await expect(refused).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no java on this machine') as string,
    });
  });

  it('takes an old Java for none', async () => {
    writeFileSync(join(dir, 'java'), `#!/bin/sh\necho 'openjdk version "11.0.21" 2023-10-17' >&2\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: dir };
    const refused = promisify(execFile)(process.execPath, [demo, '--outage', '3-5'], { env });
    await expect(refused).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Java 11 on this machine (Apache Kafka 4 needs Java 17 or newer)') as string,
    });
  });

  it('goes by file, ends in order at the first signal, and leaves no process behind', async () => {
    const child = spawn(process.execPath, [demo, '--dir', dir], { env: noJava, stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    child.stdout.on('data', (text: Buffer) => {
      told += text.toString();
    });
    await expect.poll(() => told, { timeout: 30_000 }).toMatch(/accepted \d{3},/);
    const pids = processesOf(dir);
    expect(pids.length).toBe(5);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect({ exitCode: child.exitCode, told }).toEqual({
      exitCode: 0,
      told: expect.stringMatching(/No Kafka here[^]*lost 0, all counts agree/) as string,
    });
    expect(processesOf(dir)).toEqual([]);
    expect(existsSync(join(dir, 'finance.db'))).toBe(true);
  }, 60_000);

  it('takes its processes along when it is killed', async () => {
    const child = spawn(process.execPath, [demo, '--dir', dir], { env: noJava, stdio: 'ignore' });
    await expect.poll(() => processesOf(dir).length, { timeout: 20_000 }).toBe(5);
    // All have begun to work, so each has asked the kernel to end with its parent.
    await expect
      .poll(() => statSync(join(dir, 'tap'), { throwIfNoEntry: false })?.size ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(0);
    child.kill('SIGKILL');
    await expect.poll(() => processesOf(dir), { timeout: 10_000 }).toEqual([]);
  }, 40_000);
});

/** Other processes that name this folder on their command line. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(folder) && !command.includes('demo/demo.ts');
      } catch {
        return false;
      }
    });
}
