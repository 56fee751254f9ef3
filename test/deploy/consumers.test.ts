import type { ChildProcess } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { minus } from '../../deploy/consumers/minus.ts';
import {
  type ConsumerName,
  line,
  patience,
  reading,
  rows,
  startConsumer,
  stop,
  untilRows,
} from './consumers-support.ts';

let folder: string;
let file: string;
let db: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-consumers-'));
  file = join(folder, 'out.ndjson');
  db = join(folder, 'own.db');
});
afterEach(async () => {
  for (const child of children.splice(0)) await stop(child, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function start(name: ConsumerName): ChildProcess {
  const child = startConsumer(name, '--file', file, '--db', db);
  children.push(child);
  return child;
}
const counters = (...records: string[]): string => records.map((json) => line('meter-readings', json)).join('');
const values = (...records: string[]): string => records.map((json) => line('sensor-values', json)).join('');

describe('finance', () => {
  it('books the difference to the previous good slot, exact to the last digit', async () => {
    writeFileSync(file, counters(reading(1, 0, 100.1), reading(2, 15, 100.4), reading(3, 30, 100.4)));
    start('finance');
    await untilRows(db, 'select slot, since, used, unit from consumption', [
      ['2026-11-22T13:00:00.000Z', null, null, 'kW.h'],
      ['2026-11-22T13:15:00.000Z', '2026-11-22T13:00:00.000Z', 0.3, 'kW.h'],
      ['2026-11-22T13:30:00.000Z', '2026-11-22T13:15:00.000Z', 0, 'kW.h'],
    ]);
    expect(rows(db, 'select * from gaps')).toEqual([]);
  });

  it('drops a repeat by its id', async () => {
    const first = reading(1, 0, 100);
    writeFileSync(file, counters(first, reading(2, 15, 101), first.replace('"repeat":false', '"repeat":true')));
    start('finance');
    await untilRows(db, 'select count(*) from positions', [[1]]);
    expect(rows(db, 'select id from ledger order by id')).toEqual([['ps-12/41-k3v9q0za/1'], ['ps-12/41-k3v9q0za/2']]);
    expect(rows(db, 'select total(used) from consumption')).toEqual([[1]]);
  });

  it('shows a bad slot and missing slots as gaps, and books what was used over them in one sum', async () => {
    writeFileSync(file, counters(reading(1, 0, 100), reading(2, 15, null), reading(3, 30, 103), reading(4, 90, 110)));
    start('finance');
    await untilRows(db, 'select substr(first, 12, 5), substr(last, 12, 5), slots, reason from gaps order by first', [
      ['13:15', '13:15', 1, 'BadTimeout'],
      ['13:45', '14:15', 3, 'NoRecord'],
    ]);
    expect(rows(db, 'select substr(slot, 12, 5), substr(since, 12, 5), used from consumption')).toEqual([
      ['13:00', null, null],
      ['13:30', '13:00', 3],
      ['14:30', '13:30', 7],
    ]);
  });

  it('puts a total that arrives late in its place', async () => {
    writeFileSync(file, counters(reading(1, 0, 100), reading(3, 30, 103), reading(2, 15, 101)));
    start('finance');
    await expect
      .poll(() => rows(db, 'select used from consumption order by slot'), patience)
      .toEqual([[null], [1], [2]]);
  });

  it('never guesses over a counter that fell, another meter, another register map or an unsynchronised clock', async () => {
    const exchanged = { serial: '26-001-1' };
    const remapped = { ...exchanged, map: 'aaaaaaaaaaaa' };
    writeFileSync(
      file,
      counters(
        reading(1, 0, 100),
        reading(2, 15, 99),
        reading(3, 30, 120, exchanged),
        reading(4, 45, 121, remapped),
        reading(5, 60, 500, { ...remapped, clock: 'unsynced' }),
        reading(6, 75, 123, remapped),
      ),
    );
    start('finance');
    await untilRows(db, 'select used, remark from consumption order by slot', [
      [null, null],
      [null, 'CounterWentBack'],
      [null, 'MeterChanged'],
      [null, 'RegisterMapChanged'],
      [2, null],
    ]);
    expect(rows(db, 'select reason from gaps order by first')).toEqual([
      ['CounterWentBack'],
      ['MeterChanged'],
      ['RegisterMapChanged'],
      ['ClockUnsynced'],
    ]);
  });

  const told = (seq: number, event: string, facts: object): string =>
    line(
      'gateway-events',
      JSON.stringify({
        id: `ps-12/41-k3v9q0za/${seq}`,
        gateway: 'ps-12',
        site: 'PS12',
        event,
        severity: 'info',
        device: 'EM-1',
        point: 'energy',
        time: '2026-11-22T13:15:00.182Z',
        clock: 'synced',
        message: '',
        facts,
      }),
      'ps-12',
    );

  it('books over the modulus what the gateway says went over it, whichever comes first', async () => {
    const first = told(9, 'counter-rollover', { old: 999_999.9, new: 0.3, modulus: 1_000_000 });
    const second = told(10, 'counter-rollover', { old: 999_990, new: 5, modulus: 1_000_000 });
    const totals = [reading(1, 0, 999_999.9), reading(2, 15, 0.3), reading(3, 30, 999_990), reading(4, 45, 5)];
    writeFileSync(file, first + counters(...totals) + second);
    start('finance');
    await untilRows(db, 'select used, remark from consumption order by slot', [
      [null, null],
      [0.4, null],
      [999_989.7, null],
      [15, null],
    ]);
    expect(rows(db, 'select * from gaps')).toEqual([]);
    expect(rows(db, 'select * from unreadable')).toEqual([]);
  });

  it('books nothing where the gateway began to believe another total, risen or fallen, and takes no other word for a rollover', async () => {
    const totals = [reading(1, 0, 100), reading(2, 15, 5_009), reading(3, 30, 3), reading(4, 45, 4), reading(5, 60, 2)];
    const events = [
      told(6, 'counter-jump', { old: 100, new: 5_009, newBaseline: true }),
      told(7, 'counter-jump', { old: 5_009, new: 3, newBaseline: true, oldSerial: 'A', newSerial: 'B' }),
      // Of other totals, and a mere doubt.
      told(8, 'counter-rollover', { old: 4, new: 1, modulus: 1000 }),
      told(9, 'counter-jump', { old: 3, new: 4, elapsedMs: 1, untold: 0 }),
      told(10, 'stop', { epoch: '41-k3v9q0za' }),
    ];
    writeFileSync(file, counters(...totals) + events.join(''));
    start('finance');
    await untilRows(db, 'select used, remark from consumption order by slot', [
      [null, null],
      [null, 'CounterBeganAnew'],
      [null, 'CounterBeganAnew'],
      [1, null],
      [null, 'CounterWentBack'],
    ]);
    expect(rows(db, 'select count(*) from turns')).toEqual([[3]]);
  });

  it('books what came back where the register map says that the total may fall, whichever comes first', async () => {
    const described = (map: string, point: string): string =>
      line(
        'asset-metadata',
        JSON.stringify({ gateway: 'ps-12', device: 'EM-1', map, points: [{ point, decreases: true }] }),
        `ps-12/EM-1@${map}`,
      );
    const net = { point: 'net' };
    const other = { point: 'net', map: 'aaaaaaaaaaaa' };
    const records = [
      line('meter-readings', reading(1, 0, 100, net)),
      line('meter-readings', reading(2, 15, 99.5, net)),
      described('9f31c20a77e1', 'net'),
      line('meter-readings', reading(3, 30, 98, net)),
      // Another point of the device, and another map of the point, may not.
      line('meter-readings', reading(4, 30, 10)),
      line('meter-readings', reading(5, 45, 9)),
      line('meter-readings', reading(6, 45, 98, other)),
      line('meter-readings', reading(7, 60, 97, other)),
    ];
    writeFileSync(file, `${records.join('')}${line('asset-metadata', 'null')}`);
    start('finance');
    await untilRows(db, 'select point, used, remark from consumption order by point, slot', [
      ['energy', null, null],
      ['energy', null, 'CounterWentBack'],
      ['net', null, null],
      ['net', -0.5, null],
      ['net', -1.5, null],
      ['net', null, 'RegisterMapChanged'],
      ['net', null, 'CounterWentBack'],
    ]);
    expect(rows(db, 'select * from unreadable')).toEqual([]);
  });

  it('takes the digits of a total that no double holds from its text', async () => {
    const total = (seq: number, slot: number, text: string): string => reading(seq, slot, Number(text), { text });
    writeFileSync(file, counters(total(1, 0, '90071992547409931.1'), total(2, 15, '90071992547409933.4')));
    start('finance');
    await expect.poll(() => rows(db, 'select used from consumption where used is not null'), patience).toEqual([[2.3]]);
  });

  it('goes on where it stopped, also after a kill and a file that was replaced', async () => {
    writeFileSync(file, counters(reading(1, 0, 1)));
    const first = start('finance');
    await untilRows(db, 'select count(*) from ledger', [[1]]);
    await stop(first, 'SIGKILL');
    appendFileSync(file, counters(reading(2, 15, 2)).slice(0, -20));
    const second = start('finance');
    appendFileSync(file, counters(reading(2, 15, 2)).slice(-20));
    await untilRows(db, 'select count(*) from ledger', [[2]]);
    writeFileSync(file, counters(reading(3, 30, 3)));
    await untilRows(db, 'select used from consumption', [[null], [1], [1]]);
    expect(await stop(second)).toBe(0);
  });

  it('sets aside what is no reading, and reads on', async () => {
    writeFileSync(file, `torn li\n${line('meter-readings', '{"id":1}')}${counters(reading(1, 0, 1))}`);
    start('finance');
    await untilRows(db, 'select count(*) from ledger', [[1]]);
    expect(rows(db, 'select json from unreadable order by position')).toEqual([['torn li'], ['{"id":1}']]);
  });

  it('says how it is used when it is used wrongly', async () => {
    const child = startConsumer('finance', '--db', db);
    children.push(child);
    await expect.poll(() => child.exitCode, { timeout: 10_000 }).toBe(2);
  });
});

describe('reporting', () => {
  const gauge = { kind: 'gauge', point: 'flow', unit: 'm3/h' };
  const at = (seq: number, time: string, value: number | null, other: object = {}): string =>
    reading(seq, 0, value, { ...gauge, time: `2026-11-22T${time}.000Z`, ...other });

  it('averages the good readings of a minute, each once', async () => {
    const repeated = at(2, '13:00:30', 20);
    writeFileSync(
      file,
      values(at(1, '13:00:00', 10), repeated, repeated, at(3, '13:00:40', null), at(4, '13:01:00', 40)) +
        counters(reading(9, 0, 1)),
    );
    start('reporting');
    await untilRows(db, 'select substr(minute, 12), average, lowest, highest, readings, unit from averages', [
      ['13:00:00Z', 15, 10, 20, 2, 'm3/h'],
      ['13:01:00Z', 40, 40, 40, 1, 'm3/h'],
    ]);
    expect(rows(db, 'select count(*) from seen')).toEqual([[4]]);
  });

  it('shows a bad point as bad, with its last good value; an older reading that arrives late changes nothing', async () => {
    writeFileSync(file, values(at(1, '13:00:00', 10), at(3, '13:00:20', null), at(2, '13:00:10', 11)));
    start('reporting');
    await untilRows(db, 'select count(*) from seen', [[3]]);
    expect(rows(db, 'select point, value, quality, status, good_value, substr(good_time, 12, 8) from latest')).toEqual([
      ['flow', null, 'bad', 'BadTimeout', 10, '13:00:00'],
    ]);
  });
});

describe('the asset register', () => {
  const map = '9f31c20a77e1';
  const head = (seq: number, device: string): object => ({
    id: `ps-12/41-k3v9q0za/${seq}`,
    gateway: 'ps-12',
    site: 'PS12',
    device,
    time: '2026-11-22T13:00:00.000Z',
    clock: 'synced',
    asset: 'PS12/P1',
    serial: '20-114-7',
    map,
  });
  const points = [{ point: 'energy', kind: 'counter', unit: 'kW.h', stream: 'meter-readings', every: '15m' }];
  const state = (seq: number, device: string, other: object = {}): string =>
    line(
      'asset-metadata',
      JSON.stringify({ ...head(seq, device), enabled: true, removedAt: null, points, ...other }),
      `ps-12/${device}`,
    );
  const registers = (seq: number, device: string, scale: number, name = map): string =>
    line(
      'asset-metadata',
      JSON.stringify({
        ...head(seq, device),
        map: name,
        points: [
          {
            point: 'energy',
            unit: 'kW.h',
            register: { table: 'input', address: 72, type: 'uint32', byteOrder: 'CDAB', scale, offset: 0 },
          },
        ],
      }),
      `ps-12/${device}@${name}`,
    );
  const removal = (seq: number, device: string, removedAt: string): string =>
    state(seq, device, { removedAt }) + line('asset-metadata', 'null', `ps-12/${device}`);
  const assets = 'select device, serial, last_removed_at from assets order by device';

  it('holds what there is, and of what was taken out when', async () => {
    const monday = '2026-11-23T08:00:00.000Z';
    writeFileSync(file, registers(1, 'EM-1', 0.01) + state(2, 'EM-1') + state(3, 'EM-2') + removal(4, 'EM-2', monday));
    start('asset-register');
    await untilRows(db, 'select count(*) from records', [[5]]);
    expect(rows(db, assets)).toEqual([['EM-1', '20-114-7', null]]);
    expect(rows(db, 'select device, point, kind, unit, every from points')).toEqual([
      ['EM-1', 'energy', 'counter', 'kW.h', '15m'],
    ]);
    expect(rows(db, 'select device, serial, removed_at from removed_assets')).toEqual([['EM-2', '20-114-7', monday]]);
    appendFileSync(file, state(6, 'EM-2', { serial: '26-001-1' }));
    await untilRows(db, assets, [
      ['EM-1', '20-114-7', null],
      ['EM-2', '26-001-1', monday],
    ]);
    expect(rows(db, 'select * from removed_assets')).toEqual([]);
  });

  it('says which register a map meant, also when the device has another one now, or is gone', async () => {
    const later = 'aaaaaaaaaaaa';
    writeFileSync(
      file,
      registers(1, 'EM-1', 0.01) +
        state(2, 'EM-1') +
        registers(3, 'EM-1', 0.1, later) +
        state(4, 'EM-1', { map: later }) +
        removal(5, 'EM-1', '2026-11-23T08:00:00.000Z'),
    );
    start('asset-register');
    await untilRows(db, 'select count(*) from records', [[6]]);
    expect(rows(db, assets)).toEqual([]);
    expect(
      rows(db, 'select map, point, "table", address, type, byte_order, scale, offset from registers order by map'),
    ).toEqual([
      [map, 'energy', 'input', 72, 'uint32', 'CDAB', 0.01, 0],
      [later, 'energy', 'input', 72, 'uint32', 'CDAB', 0.1, 0],
    ]);
  });

  it('ends right when what was in doubt comes a second time, tombstones included', async () => {
    const said =
      state(1, 'EM-1') + removal(2, 'EM-1', '2026-11-23T08:00:00.000Z') + state(4, 'EM-1', { serial: '26-001-1' });
    writeFileSync(file, said + said);
    start('asset-register');
    await untilRows(db, 'select next > 0 from positions', [[1]]);
    expect(rows(db, assets)).toEqual([['EM-1', '26-001-1', '2026-11-23T08:00:00.000Z']]);
    expect(rows(db, 'select what, count(*) from records group by what order by what')).toEqual([
      ['removal', 1],
      ['state', 2],
      ['tombstone', 1],
    ]);
  });

  it('buries what it never saw, and sets aside what it cannot read', async () => {
    writeFileSync(
      file,
      line('asset-metadata', 'null', 'ps-12/EM-7') + line('asset-metadata', '{"id":1}') + state(1, 'EM-1'),
    );
    start('asset-register');
    await untilRows(db, assets, [['EM-1', '20-114-7', null]]);
    expect(rows(db, 'select json from unreadable')).toEqual([['{"id":1}']]);
  });
});

it('subtracts as on paper', () => {
  expect(minus('0.3', '0.1')).toBe(0.2);
  expect(minus('1e+21', '1')).toBe(1e21);
  expect(minus('1e-7', '2e-7')).toBe(-1e-7);
  expect(minus('-0.5', '0.25')).toBe(-0.75);
  expect(minus('18446744073709551615', '18446744073709551605')).toBe(10);
});
