import type { DriverBench } from '../../conformance/driver.ts';
import { driverConformance } from '../../conformance/driver.ts';
import { driver } from '../../../drivers/modbus/index.ts';
import { honestRtu, noSocat, startRtuGateway, startRtuLine } from '../../simulators/rtu-line.ts';
import type { RtuBehaviour, RtuRequest } from '../../simulators/rtu-line.ts';
import { lineOf, planOf, pointsOf } from './support.ts';

const units: Readonly<Record<string, number>> = { 'EM-1': 1, 'EM-2': 2 };
const parts = Object.entries(units).map(([id, unitId]) => ({
  id,
  unitId,
  points: { a: { address: 0 }, b: { address: 9, type: 'uint32' } },
}));
const deviceOf = ({ unitId }: RtuRequest): string => Object.keys(units).find((id) => units[id] === unitId) ?? '';

interface Peer {
  readonly requests: readonly RtuRequest[];
  cut(): void;
  close(): Promise<void>;
}

function bench(plan: ReturnType<typeof planOf>['plan'], peer: Peer, play: Player): DriverBench {
  return {
    devices: Object.keys(units).map((id) => ({ id, points: pointsOf(plan, id) })),
    open: (host, signal) => driver.open(plan, host, signal),
    silence: (device) => play.silent.add(units[device] ?? 0),
    hold: () => {
      play.held = [];
    },
    release: () => {
      for (const answer of play.held ?? []) answer();
      play.held = undefined;
    },
    cut: () => peer.cut(),
    vanish: () => peer.close(),
    asked: () => peer.requests.map(deviceOf),
    onlyReads: () => peer.requests.every(({ functionCode }) => functionCode >= 1 && functionCode <= 4),
    close: () => peer.close(),
  };
}

interface Player {
  readonly silent: Set<number>;
  held: (() => void)[] | undefined;
  readonly behave: RtuBehaviour;
}

function player(): Player {
  const self: Player = {
    silent: new Set<number>(),
    held: undefined,
    behave: (request, send) => {
      if (self.silent.has(request.unitId)) return;
      if (self.held === undefined) honestRtu(request, send);
      else self.held.push(() => honestRtu(request, send));
    },
  };
  return self;
}

if (noSocat === undefined)
  driverConformance('modbus RTU on a serial line', async () => {
    const play = player();
    const line = await startRtuLine(play.behave);
    const { plan } = planOf(lineOf(line.path), parts);
    return bench(plan, { requests: line.requests, cut: () => void line.close(), close: () => line.close() }, play);
  });

driverConformance('modbus RTU over TCP', async () => {
  const play = player();
  const gateway = await startRtuGateway(play.behave);
  const { plan } = planOf(
    { driver: 'modbus-rtu-over-tcp', settings: { host: '127.0.0.1', port: gateway.port } },
    parts,
  );
  return bench(plan, { requests: gateway.requests, cut: () => gateway.cut(), close: () => gateway.close() }, play);
});
