import { closeSync, openSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { noPython } from '../support/python.ts';
import { LogSite } from './log-site.ts';

let site: LogSite;
beforeAll(async () => {
  site = await LogSite.start();
});
afterEach(() => site.kill());
afterAll(() => site.remove());

const inOrder = { code: 0, isInTime: true };

describe.skipIf(noPython !== undefined)('a log whose reader sleeps', () => {
  it('is whole again when the reader wakes, and says how many lines are missing: socket', async () => {
    const daemon = await site.held('socket');
    await site.pollsOnAfterTheFlood();
    daemon.tell('read');
    await expect.poll(() => daemon.log(), { timeout: 10_000 }).toMatch(/lines of this log are missing here/);
    expect(await site.ended(daemon)).toEqual(inOrder);
    const lines = daemon
      .log()
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    const missing = Number(/(\d+) lines of this log are missing/.exec(lines.join('\n'))?.[1]);
    const lost = lines.filter((line) => line.includes('does not answer')).length;
    expect(lost).toBeGreaterThan(100);
    // Besides them some lines about the configuration and about connections that opened.
    expect(missing + lost).toBeGreaterThanOrEqual(LogSite.silentDevices);
    expect(missing + lost).toBeLessThanOrEqual(LogSite.silentDevices + 3 * LogSite.silentPanels + 5);
  }, 120_000);
});

describe('a log on a full disk', () => {
  it('holds up neither polling nor a stop', async () => {
    const full = openSync('/dev/full', 'w');
    const daemon = site.run(['ignore', 'ignore', full]);
    closeSync(full);
    await site.pollsOn();
    expect(await site.ended(daemon)).toEqual(inOrder);
  }, 60_000);
});
