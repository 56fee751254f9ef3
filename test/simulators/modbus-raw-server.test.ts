import { expect, test } from 'vitest';
import { driver } from '../../drivers/modbus/index.ts';
import { hostOf, planOf, pointsOf } from '../drivers/modbus/support.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { countedWord, startCountingServer } from './modbus-raw-server.ts';

test('the counting server tells each unit which of its polls an answer belongs to', async () => {
  const server = await startCountingServer({ units: [1, 2], registers: 10 });
  const points = { polls: { address: 0, type: 'uint32' }, word: { address: 2 } } as const;
  const { plan } = planOf(server.port, [
    { id: 'A', unitId: 1, points },
    { id: 'B', unitId: 2, points },
  ]);
  const signal = new AbortController().signal;
  const session = await driver.open(plan, hostOf(new FakeClock()), signal);
  const seen: (number | null)[][] = [];
  for (const device of ['A', 'A', 'B', 'A']) {
    const poll = await session.poll({ device, points: pointsOf(plan, device), dueMs: 0 }, signal);
    seen.push(poll.map(({ value }) => value));
  }
  await session.close();
  expect(seen).toEqual([
    [1, countedWord(1, 1, 2)],
    [2, countedWord(1, 2, 2)],
    [1, countedWord(2, 1, 2)],
    [3, countedWord(1, 3, 2)],
  ]);
  expect([server.polls(1), server.polls(2), server.connections()]).toEqual([3, 1, 1]);
  await server.close();
});
