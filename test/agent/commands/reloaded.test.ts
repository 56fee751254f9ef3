import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { reloaded } from '../../../agent/commands/reloaded.ts';
import { ConfigError } from '../../../agent/errors.ts';

let folder: string;
let file: string;
let refusals: [string, number][];
const log = { error: () => {}, warning: () => {} };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-reloaded-'));
  file = join(folder, 'sluice.json');
  refusals = [];
  write({});
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(some: object): void {
  const site = { version: 1, gateway: 'ps-12', connections: {}, devices: [], stateDir: join(folder, 'state') };
  writeFileSync(file, JSON.stringify({ ...site, uplink: { file: { path: join(folder, 'out') } }, ...some }));
}

function reload(takeUp: () => Promise<void>): ReturnType<typeof reloaded> {
  const refused = (reason: string, problems: number): void => void refusals.push([reason, problems]);
  return reloaded(file, {}, { reload: takeUp, refused }, log);
}

it('a file that was taken up is the one the gateway goes on under', async () => {
  expect((await reload(() => Promise.resolve()))?.gateway).toBe('ps-12');
  expect(refusals).toEqual([]);
});

it('a broken file, and one that needs a restart, are told as refused', async () => {
  expect(await reload(() => Promise.reject(new ConfigError('gateway is changed: that needs a restart')))).toBeNull();
  write({ gateway: 12 });
  expect(await reload(() => Promise.resolve())).toBeNull();
  expect(refusals).toEqual([
    ['gateway is changed: that needs a restart', 1],
    ['it has a problem', 1],
  ]);
});

it('one that failed half-way is not told as refused: nothing goes on as it was', async () => {
  expect(await reload(() => Promise.reject(new Error('no more memory')))).toBeNull();
  expect(refusals).toEqual([]);
});
