import { expect, test } from 'vitest';
import { openLine } from '../../../../drivers/modbus/tools/line.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

test('a serial line that the daemon has open is not said to have the settings of the URL', async () => {
  const borrow = () => Promise.resolve({ ask: () => Promise.reject(new Error('not here')), close: () => undefined });
  const transport = { kind: 'rtu', path: '/dev/ttyS7', baudRate: 19_200, parity: 'none', stopBits: 2 } as const;
  const line = await openLine(
    { transport, timeoutMs: 100 },
    { clock: new FakeClock(), owner: { borrow }, signal: new AbortController().signal },
  );
  expect(line.name).toBe('/dev/ttyS7 through the daemon, at the settings it has there');
  await line.close();
});
