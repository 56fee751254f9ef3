import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { randomOf } from '../simulated-values.ts';
import { isLoopback } from '../simulation.ts';
import type { Simulator, SimulatorOptions } from '../simulation.ts';
import type { ModbusDevice, ModbusPlan } from './plan.ts';
import { holdsBits, mostBits, mostRegisters, readFunctions, tables } from './protocol.ts';
import type { Table } from './protocol.ts';
import { SimulatedMemory } from './simulated-device.ts';
import { framings } from './simulated-frames.ts';
import type { Asked } from './simulated-frames.ts';
import { faultNames } from './simulated-faults.ts';

/** Throws RangeError with what there is. */
export function refuseUnknownFault(fault: string): void {
  if (!/^(?:silent|late|reset|garbage|off|exception:(?:[1-9]|\d\d|1\d\d|2[0-4]\d|25[0-5]))$/.test(fault))
    throw new RangeError(`no fault "${fault}"; there are: ${faultNames.join(', ')}`);
}

interface SimulatedDevice {
  readonly device: ModbusDevice;
  readonly memory: SimulatedMemory;
  readonly lateMs: number;
  readonly garbage: () => number;
  fault: string;
  requests: number;
  answered: number;
}

export interface ModbusSimulator extends Simulator {
  fault(device: string, name: string): void;
}

/** Serves the devices of a plan over Modbus TCP, those of a serial line over RTU over TCP. Units that the plan does not know stay silent. */
export async function startSimulator(options: Omit<SimulatorOptions<ModbusPlan>, 'folder'>): Promise<ModbusSimulator> {
  const { plan, clock, seed } = options;
  if (!isLoopback(options.host))
    throw new RangeError(`simulated meters are served on loopback only, not on ${options.host}`);
  const devices = plan.devices.map((device) => simulated(device, seed));
  const sockets = new Set<Socket>();
  const framing = framings[plan.transport.kind === 'tcp' ? 'tcp' : 'rtu'];
  const stopped = new AbortController();
  let ever = 0;

  function serve(socket: Socket, asked: Asked): void {
    const device = deviceFor(devices, asked);
    if (device === undefined) return;
    device.requests++;
    const sendBytes = (bytes: Buffer): void => {
      if (!socket.destroyed) socket.write(bytes);
    };
    const send = (pdu: Buffer): void => sendBytes(framing.framed(asked, pdu));
    const [fault, code] = device.fault.split(':');
    if (fault === 'silent') return;
    if (fault === 'reset') socket.resetAndDestroy();
    else if (fault === 'garbage')
      sendBytes(Buffer.from(Array.from({ length: 17 }, () => Math.floor(device.garbage() * 256))));
    else if (fault === 'exception') send(exceptionTo(asked, Number(code)));
    else if (fault === 'late') {
      const answer = answerOf(device, asked, clock.now().wallMs);
      clock.sleep(device.lateMs, stopped.signal).then(
        () => send(answer),
        () => {},
      );
    } else send(answerOf(device, asked, clock.now().wallMs));
  }

  const server = createServer({ noDelay: true }, (socket) => {
    ever++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (let first = framing.taken(received); first !== undefined; first = framing.taken(received)) {
        if (first === 'foreign') {
          socket.destroy();
          return;
        }
        serve(socket, first.asked);
        received = received.subarray(first.bytes);
      }
    });
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    fault(name, fault) {
      const found = devices.find(({ device }) => device.id === name);
      if (found === undefined) {
        throw new RangeError(
          `no device "${name}" here; there are: ${devices.map(({ device }) => device.id).join(', ')}`,
        );
      }
      refuseUnknownFault(fault);
      found.fault = fault;
    },
    stats: () => ({
      connections: { now: sockets.size, ever },
      devices: Object.fromEntries(
        devices.map(({ device, requests, answered, fault }) => [device.id, { requests, answered, fault }]),
      ),
    }),
    async close() {
      stopped.abort(null);
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

function simulated(device: ModbusDevice, seed: number): SimulatedDevice {
  return {
    device,
    memory: new SimulatedMemory(device, seed),
    lateMs: 1.5 * Math.max(1000, ...device.points.map(({ timeoutMs }) => timeoutMs)),
    garbage: randomOf(`${seed}/${device.id}`),
    fault: 'off',
    requests: 0,
    answered: 0,
  };
}

/** Of several devices with one unit id, the one that has the registers. */
function deviceFor(devices: readonly SimulatedDevice[], asked: Asked): SimulatedDevice | undefined {
  const ofUnit = devices.filter(({ device }) => device.unitId === asked.unitId);
  return ofUnit.find((device) => has(device, asked)) ?? ofUnit[0];
}

const tableOf = ({ functionCode }: Asked): Table | undefined =>
  tables.find((table) => readFunctions[table] === functionCode);

function has({ memory }: SimulatedDevice, asked: Asked): boolean {
  const table = tableOf(asked);
  return table !== undefined && memory.has(table, asked.address, asked.count);
}

function answerOf(device: SimulatedDevice, asked: Asked, wallMs: number): Buffer {
  const { address, count } = asked;
  const table = tableOf(asked);
  if (table === undefined) return exceptionTo(asked, 1);
  if (count < 1 || count > (holdsBits(table) ? mostBits : mostRegisters)) return exceptionTo(asked, 3);
  if (!has(device, asked)) return exceptionTo(asked, 2);
  const data = device.memory.read(table, address, count, wallMs);
  const head = Buffer.from([asked.functionCode, data.length]);
  device.answered++;
  return Buffer.concat([head, data]);
}

function exceptionTo({ functionCode }: Asked, code: number): Buffer {
  return Buffer.from([functionCode | 0x80, code]);
}
