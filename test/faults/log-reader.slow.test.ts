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

describe.skipIf(noPython !== undefined)('a log whose reader never wakes', () => {
  it.each(['pipe', 'terminal'] as const)(
    'holds up neither polling nor a stop: %s',
    async (kind) => {
      const daemon = await site.held(kind);
      await site.pollsOnAfterTheFlood();
      expect(await site.ended(daemon)).toEqual(inOrder);
    },
    60_000,
  );

  it('may hang up', async () => {
    const daemon = await site.held('pipe');
    daemon.tell('close');
    await site.pollsOn();
    expect(await site.ended(daemon)).toEqual(inOrder);
  }, 120_000);
});
