import { expect, test } from 'vitest';
import { openTcpLink } from '../../../drivers/modbus/transport-tcp.ts';
import { answer, honest, honestWords, startRawServer } from '../../simulators/modbus-raw-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from './support.ts';

test('the id of an unanswered request is given to no other, not even when all ids have come round', async () => {
  const server = await startRawServer(() => {});
  const clock = new FakeClock();
  const link = await openTcpLink({ host: '127.0.0.1', port: server.port }, 1000, clock, new AbortController().signal);
  const request = { unitId: 1, table: 'holding', address: 5, count: 1 } as const;
  const silent = link.request(request, 1000);
  await until(() => server.requests.length === 1);
  await clock.advance(1000);
  expect((await silent).kind).toBe('silence');
  const [unanswered] = server.requests;
  if (unanswered === undefined) throw new Error('no request came');
  server.behave(honest);
  for (let sent = 0; sent < 0x10000 + 10; sent++) expect((await link.request(request, 1000)).kind).toBe('data');
  const later = server.requests.slice(1).filter(({ transactionId }) => transactionId === unanswered.transactionId);
  expect(later).toEqual([]);
  // And its answer, when it comes at last, is still known for what it is.
  server.behave((now, peer) => {
    peer.send(answer(unanswered, [0xdead]));
    peer.send(answer(now, honestWords(now)));
  });
  expect(await link.request(request, 1000)).toMatchObject({ kind: 'data', data: Buffer.from('0805', 'hex') });
  link.close();
  await server.close();
});
