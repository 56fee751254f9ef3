import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { ServerTCP } from 'modbus-serial';
import { expect, test } from 'vitest';
import { driver } from '../../../drivers/modbus/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { hostOf, planOf, pointsOf } from './support.ts';

test('a server no one here wrote (modbus-serial) is read right, all tables', async () => {
  const holding = Buffer.from('0047e35266664366ffffffffffffffff3039', 'hex');
  const units = new Set<number>();
  const port = await freePort();
  const server = new ServerTCP(
    {
      getHoldingRegister: (address: number, unit: number) => {
        units.add(unit);
        return holding.readUInt16BE((address - 100) * 2);
      },
      getInputRegister: (address: number) => address,
      getCoil: (address: number) => address % 3 === 0,
      getDiscreteInput: (address: number) => address % 2 === 1,
    },
    { host: '127.0.0.1', port, unitID: 9, debug: false },
  );
  await once(server, 'initialized');
  try {
    const { plan } = planOf(port, [
      {
        id: 'M',
        unitId: 9,
        points: {
          total: { reference: '40101', type: 'uint32', scale: 0.001, kind: 'counter' },
          flow: { address: 102, type: 'float32', byteOrder: 'CDAB' },
          big: { address: 104, type: 'uint64', scale: 0.001 },
          level: { address: 108, scale: 0.01 },
          inlet: { reference: '300008' },
          relay: { reference: '00004' },
          valve: { reference: '00012' },
          door: { address: 9, table: 'discrete' },
          both: {
            sum: [
              { address: 100, type: 'uint32' },
              { address: 108, scale: 0.0001 },
            ],
          },
        },
      },
    ]);
    const clock = new FakeClock();
    const session = await driver.open(plan, hostOf(clock), new AbortController().signal);
    const seen = await session.poll(
      { device: 'M', points: pointsOf(plan, 'M'), dueMs: 0 },
      new AbortController().signal,
    );
    await session.close();
    expect(seen.map(({ value, text, status }) => [value, text, status])).toEqual([
      [4711.25, null, 'Good'],
      [230.4, null, 'Good'],
      [18446744073709552, '18446744073709551.615', 'Good'],
      [123.45, null, 'Good'],
      [7, null, 'Good'],
      [1, null, 'Good'],
      [0, null, 'Good'],
      [1, null, 'Good'],
      [4711251.2345, null, 'Good'],
    ]);
    expect([...units]).toEqual([9]);
  } finally {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  }
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
