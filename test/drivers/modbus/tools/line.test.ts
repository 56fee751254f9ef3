import { expect, test } from 'vitest';
import { scan } from '../../../../drivers/modbus/tools/scan.ts';
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

test('other settings are not tried on a line that the daemon has open', async () => {
  const borrow = () => Promise.resolve({ ask: () => Promise.reject(new Error('not here')), close: () => undefined });
  const host = {
    clock: new FakeClock(),
    owner: { borrow },
    signal: new AbortController().signal,
    tell: () => undefined,
    progress: () => undefined,
    profiles: () => [],
  };
  await expect(scan('modbus+rtu:///dev/ttyS7', { units: '1', sweep: true }, host)).rejects.toThrow(
    '/dev/ttyS7 through the daemon, at the settings it has there: other settings cannot be tried while it has the line open; leave out --sweep, or stop the daemon first',
  );
});
