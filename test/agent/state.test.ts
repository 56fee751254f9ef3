import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../agent/reading.ts';
import { openState, type Announced, type State } from '../../agent/state.ts';

let folder: string;
let file: string;
let events: GatewayEvent[];
let logged: string[];
const open: State[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-state-'));
  file = join(folder, 'state.db');
  events = [];
  logged = [];
});
afterEach(() => {
  for (const state of open.splice(0)) state.close();
  rmSync(folder, { recursive: true, force: true });
});

function opened(): State {
  const state = openState(file, { event: (event) => events.push(event), log: (message) => logged.push(message) });
  open.push(state);
  return state;
}
function closed(): void {
  for (const state of open.splice(0)) state.close();
}

const current: Announced = { gateway: 'ps-12', device: 'EM-1', map: null, hash: 'aa', json: '{"device":"EM-1"}' };
const map: Announced = { gateway: 'ps-12', device: 'EM-1', map: '9f31c20a77e1', hash: 'bb', json: null };

describe('what outlives a start', () => {
  it('is found again by the next one, per gateway; what is gone stays gone', () => {
    opened().keep([current, map, { ...current, gateway: 'ps-13' }]);
    closed();
    expect(opened().announced('ps-12')).toEqual([current, map]);
    open[0]?.keep([{ ...map, hash: null }], [current]);
    closed();
    expect(opened().announced('ps-12')).toEqual([{ ...map, hash: null }]);
    expect(open[0]?.announced('ps-13')).toHaveLength(1);
    expect([events, logged]).toEqual([[], []]);
  });

  it('is on disk when the call returns: a copy of the files as they are then has it', () => {
    opened().keep([current]);
    const copy = mkdtempSync(join(tmpdir(), 'sluice-state-'));
    for (const name of readdirSync(folder).filter((each) => !each.endsWith('-shm')))
      writeFileSync(join(copy, name), readFileSync(join(folder, name)));
    const state = openState(join(copy, 'state.db'), { event: () => undefined, log: () => undefined });
    expect(state.announced('ps-12')).toEqual([current]);
    state.close();
    rmSync(copy, { recursive: true });
  });

  it.each([
    ['no SQLite file', () => writeFileSync(file, 'something else entirely, but long enough to be looked at')],
    ['of another program', () => new Database(file).exec('create table theirs (a)').close()],
    ['of a later version', () => (opened(), closed(), void new Database(file).pragma('user_version = 2'))],
    ['cut in the middle', () => (opened().keep([current]), closed(), cutInHalf())],
    ['overwritten in the middle', () => (opened().keep([current]), closed(), overwrite())],
  ])('begins anew beside a file that is %s, and says where that has gone', (_, damage) => {
    damage();
    const state = opened();
    expect(state.announced('ps-12')).toEqual([]);
    state.keep([current]);
    expect(events).toMatchObject([{ event: 'quarantine', severity: 'warning', facts: { file: `${file}.damaged` } }]);
    closed();
    expect(opened().announced('ps-12')).toEqual([current]);
    expect(readdirSync(folder)).toContain('state.db.damaged');
    expect(events).toHaveLength(1);
  });

  function cutInHalf(): void {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, 4096 + 100));
  }
  function overwrite(): void {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0x5a, 4096, 4200));
  }

  it('is kept in memory where the place cannot be opened, and says so', () => {
    mkdirSync(file);
    const state = opened();
    state.keep([current]);
    expect(state.announced('ps-12')).toEqual([current]);
    expect(logged.join()).toMatch(/state\.db cannot be opened .*announced again at the next start/);
  });

  it('leaves a file alone that another process holds', () => {
    opened().keep([current]);
    closed();
    const other = new Database(file);
    other.pragma('locking_mode = EXCLUSIVE');
    other.exec('BEGIN EXCLUSIVE');
    expect(opened().announced('ps-12')).toEqual([]);
    other.close();
    closed();
    expect(opened().announced('ps-12')).toEqual([current]);
  });

  it('leaves out a row that was altered behind its back', () => {
    opened().keep([current, map]);
    closed();
    const db = new Database(file);
    db.exec(`update announced set device = 'EM-7' where map = ''`);
    db.close();
    expect(opened().announced('ps-12')).toEqual([map]);
    expect(logged.join()).toMatch(/1 damaged rows/);
  });
});
