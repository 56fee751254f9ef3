import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Events } from '../../../agent/events.ts';
import { openLog } from '../../../agent/log/log.ts';
import type { OpenLog } from '../../../agent/log/log.ts';
import { Presence } from '../../../agent/poller/presence.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

let folder: string;
let file: string;
let fd: number;
const clock = new FakeClock('2026-11-22T13:15:00Z');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  file = join(folder, 'log');
  fd = openSync(file, 'w');
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

async function linesOf(log: OpenLog): Promise<string[]> {
  await log.close(1_000);
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

describe('a line of the log', () => {
  it('is a JSON object with its facts where programs read', async () => {
    const log = openLog({ stream: { write: () => undefined, fd }, clock, env: {} });
    log.warning('EM-1 is lost', { device: 'EM-1' });
    expect((await linesOf(log)).map((line) => JSON.parse(line) as unknown)).toEqual([
      { level: 40, time: '2026-11-22T13:15:00.000Z', device: 'EM-1', msg: 'EM-1 is lost' },
    ]);
  });

  it('bears a priority of syslog in the journal, and is one line', async () => {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const log = openLog({
      stream: { write: () => undefined, fd },
      clock,
      env: { JOURNAL_STREAM: `${dev}:${ino}` },
    });
    log.info('open');
    log.warning('lost:\n  why');
    log.error('full');
    expect(await linesOf(log)).toEqual(['<6>open', '<4>lost: why', '<3>full']);
  });

  it('is JSON when the journal got what was standard error once, and it leads elsewhere now', async () => {
    const log = openLog({ stream: { write: () => undefined, fd }, clock, env: { JOURNAL_STREAM: '8:12345' } });
    log.info('open');
    expect((await linesOf(log))[0]).toMatch(/^\{.*\}$/);
  });

  it('is readable on a terminal', async () => {
    let text = '';
    const log = openLog({ stream: { write: (more) => (text += String(more)), isTTY: true }, clock, env: {} });
    log.error('full');
    await log.close(1_000);
    expect(text).toBe('13:15:00 ERROR full\n');
  });

  it('is a JSON object there too, when that is asked for', async () => {
    let text = '';
    const stream = { write: (more: string | Uint8Array) => (text += String(more)), isTTY: true };
    const log = openLog({ stream, clock, env: {}, json: true });
    log.error('full', { lane: 'meter-readings' });
    await log.close(1_000);
    expect(JSON.parse(text)).toEqual({
      level: 50,
      time: '2026-11-22T13:15:00.000Z',
      lane: 'meter-readings',
      msg: 'full',
    });
  });
});

describe('a device that comes and goes', () => {
  it('does not fill the log, and its lane gets every event', async () => {
    let text = '';
    const log = openLog({ stream: { write: (more) => (text += String(more)), isTTY: true }, clock, env: {} });
    const events = new Events('ps-12', null, { clock, log });
    const kept: string[] = [];
    const append = (_: string, notes: readonly { json?: string | null }[]): Promise<void> => {
      kept.push(...notes.map(({ json }) => json ?? ''));
      return Promise.resolve();
    };
    events.open({ append } as never);
    const presence = new Presence('EM-1');
    for (let time = 0; time < 60; time++) {
      for (const change of ['lost', 'found']) {
        const news = change === 'lost' ? presence.silence('BadTimeout', clock.now()) : presence.answer(clock.now());
        if (news) events.tell(news);
        await clock.advance(time * 100);
      }
    }
    await settled();
    expect(kept).toHaveLength(120);
    await log.close(1_000);
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/EM-1 does not answer .* \(59 more times in the last 6 min\)$/);
    expect(lines[3]).toMatch(/EM-1 answers again after 6 s\. \(59 more times in the last 6 min\)$/);
  });

  it('is told each time what a person did', async () => {
    let text = '';
    const log = openLog({ stream: { write: (more) => (text += String(more)), isTTY: true }, clock, env: {} });
    const events = new Events('ps-12', null, { clock, log });
    for (let time = 0; time < 2; time++)
      events.tell({ event: 'config-refused', severity: 'error', message: 'refused' });
    await log.close(1_000);
    expect(text.trimEnd().split('\n')).toHaveLength(2);
  });
});
