import { driver } from '../../../drivers/modbus/index.ts';
import { driverConformance } from '../../conformance/driver.ts';
import type { DriverBench } from '../../conformance/driver.ts';
import { honest, startRawServer } from '../../simulators/modbus-raw-server.ts';
import type { Behaviour } from '../../simulators/modbus-raw-server.ts';
import { planOf, pointsOf } from './support.ts';

driverConformance('modbus over TCP', async (): Promise<DriverBench> => {
  const units: Readonly<Record<string, number>> = { 'EM-1': 1, 'EM-2': 2 };
  const silent = new Set<number>();
  let held: (() => void)[] | undefined;
  const behave: Behaviour = (request, peer) => {
    if (silent.has(request.unitId)) return;
    if (held === undefined) honest(request, peer);
    else held.push(() => honest(request, peer));
  };
  const server = await startRawServer(behave);
  const { plan } = planOf(
    server.port,
    Object.entries(units).map(([id, unitId]) => ({ id, unitId, points: { a: { address: 0 }, b: { address: 9 } } })),
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
});
