import { driver } from '../../../drivers/modbus/index.ts';
import { driverConformance } from '../../conformance/driver.ts';
import type { DriverBench } from '../../conformance/driver.ts';
import { honest, meterOf, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Settings } from '../../../drivers/driver.ts';
import type { Behaviour } from '../../simulators/modbus-raw-server.ts';
import { planOf, pointsOf } from './support.ts';

driverConformance('modbus over TCP', () => benchOf({ a: { address: 0 }, b: { address: 9 } }, honest));

const someBits = { 1: { 4: 1 } };
const someWords = { 0: 0x4142, 1: 0, 2: 7, 10: 0, 11: 4711, 20: 250, 30: 123, 90: 0xfffe };

driverConformance('modbus over TCP, with bits, strings, sums and factors', () =>
  benchOf(
    {
      relay: { address: 4, table: 'coil' },
      volume: {
        sum: [
          { address: 10, type: 'uint32' },
          { address: 20, scale: 0.001 },
        ],
      },
      mode: { address: 2, enum: { '7': 'automatic' } },
      power: { address: 30, type: 'int16', scaleFrom: 'sf' },
      sf: { address: 90, type: 'int16' },
      serial: { address: 0, type: 'string', length: 2 },
    },
    meterOf({ ...someBits, 3: { ...Object.fromEntries([...Array(31).keys()].map((at) => [at, 0])), ...someWords } }),
  ),
);

async function benchOf(points: Record<string, Settings>, answerTo: Behaviour): Promise<DriverBench> {
  const units: Readonly<Record<string, number>> = { 'EM-1': 1, 'EM-2': 2 };
  const silent = new Set<number>();
  let held: (() => void)[] | undefined;
  const behave: Behaviour = (request, peer) => {
    if (silent.has(request.unitId)) return;
    if (held === undefined) answerTo(request, peer);
    else held.push(() => answerTo(request, peer));
  };
  const server = await startRawServer(behave);
  const { plan } = planOf(
    server.port,
    Object.entries(units).map(([id, unitId]) => ({ id, unitId, points })),
  );
  const deviceOf = (unitId: number): string => Object.keys(units).find((id) => units[id] === unitId) ?? '';
  return {
    devices: Object.keys(units).map((id) => ({ id, points: pointsOf(plan, id) })),
    open: (host, signal) => driver.open(plan, host, signal),
    silence: (device) => silent.add(units[device] ?? 0),
    hold: () => {
      held = [];
    },
    release: () => {
      for (const answer of held ?? []) answer();
      held = undefined;
    },
    cut: () => {
      server.resetAll();
    },
    vanish: () => server.close(),
    asked: () => server.requests.map(({ unitId }) => deviceOf(unitId)),
    onlyReads: () => server.requests.every(({ functionCode }) => functionCode >= 1 && functionCode <= 4),
    close: () => server.close(),
  };
}
