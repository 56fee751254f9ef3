import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ModbusSerial from 'modbus-serial';
import { builtAtMs } from '../../agent/build-time.ts';
import { systemClock } from '../../agent/time/system-clock.ts';
import { timeSource } from '../../agent/time/time-sources.ts';
import { driver } from '../../drivers/modbus/index.ts';
import { hostOf, planOf, pointsOf } from '../drivers/modbus/support.ts';
import { noSocat } from '../simulators/rtu-line.ts';
import { rounded } from './numbers.ts';
import type { SeenOnWire } from './wire-meters.ts';
import { characterMsAt, necessaryMs } from './wire-times.ts';

const baudRates = [9600, 19_200];
/** One float; ten of them; a whole map. */
const registerCounts = [2, 20, 100];
const thinkMs = 5;
const warmUpMs = 1000;
const measuredMs = Number(process.env['M'] ?? 8000);
const units = [1, 2, 3];

/** Three meters of a line polled flat out: the time that the wire and the meter need of all that passes; beside it modbus-serial's client. The line is a pty, the driver runs here. */
export async function benchWire(): Promise<Record<string, object>> {
  if (noSocat !== undefined) throw new Error(`the wire needs a pair of ptys: ${noSocat}`);
  const figures: Record<string, object> = {};
  for (const baudRate of baudRates)
    for (const registers of registerCounts) {
      const sluice = await onLine(baudRate, registers, pollWithSluice);
      const modbusSerial = await onLine(baudRate, registers, pollWithModbusSerial);
      figures[`baud${baudRate}Registers${registers}`] = { ...sluice, modbusSerialPercent: modbusSerial.percent };
    }
  return figures;
}

type Poll = (path: string, baudRate: number, registers: number, signal: AbortSignal) => Promise<void>;

interface OnLine extends Record<string, number> {
  percent: number;
}

async function onLine(baudRate: number, registers: number, poll: Poll): Promise<OnLine> {
  const meters = fork(join(import.meta.dirname, 'wire-meters.ts'), [`${characterMsAt(baudRate)}`, `${thinkMs}`]);
  try {
    const { path } = await told<{ path: string }>(meters);
    const enough = new AbortController();
    const polling = poll(path, baudRate, registers, enough.signal);
    await sleep(warmUpMs);
    await seenBy(meters);
    const [beganMs, cpu] = [performance.now(), process.cpuUsage()];
    await sleep(measuredMs);
    const { answers, tookMs, lateMs } = await seenBy(meters);
    const ranMs = performance.now() - beganMs;
    const { user, system } = process.cpuUsage(cpu);
    enough.abort();
    await polling;
    const necessary = necessaryMs(baudRate, registers, thinkMs);
    return {
      percent: rounded((100 * (answers - 1) * necessary) / tookMs),
      necessaryMsPerRequest: rounded(necessary),
      tookMsPerRequest: rounded(tookMs / (answers - 1)),
      metersLateMsPerRequest: rounded(lateMs / answers),
      cpuPercent: rounded((user + system) / 10 / ranMs),
    };
  } finally {
    meters.disconnect();
    await once(meters, 'exit');
  }
}

const pollWithSluice: Poll = async (path, baudRate, registers, signal) => {
  const clock = systemClock({ source: timeSource('none'), builtAtMs });
  const points = Object.fromEntries(Array.from({ length: registers }, (_, address) => [`p${address}`, { address }]));
  const devices = units.map((unitId) => ({ id: `M${unitId}`, unitId, points }));
  const { plan } = planOf({ driver: 'modbus-rtu', settings: { path, baudRate, parity: 'even' } }, devices);
  const session = await driver.open(plan, hostOf(clock), new AbortController().signal);
  const loops = devices.map(async ({ id }) => {
    const asked = pointsOf(plan, id);
    while (!signal.aborted) {
      const seen = await session.poll({ device: id, points: asked, dueMs: clock.now().bootMs }, signal);
      if (!signal.aborted && seen.some(({ quality }) => quality !== 'good')) throw new Error('a poll was not good');
    }
  });
  await Promise.all(loops);
  await session.close();
  clock.close();
};

const pollWithModbusSerial: Poll = async (path, baudRate, registers, signal) => {
  const client = new ModbusSerial.default();
  await client.connectRTUBuffered(path, { baudRate, parity: 'even', stopBits: 1 });
  client.setTimeout(1000);
  for (let turn = 0; !signal.aborted; turn++) {
    client.setID(units[turn % units.length] ?? 1);
    await client.readHoldingRegisters(0, registers);
  }
  await new Promise((resolve) => client.close(resolve));
};

async function seenBy(meters: ChildProcess): Promise<SeenOnWire> {
  meters.send('seen');
  return told<SeenOnWire>(meters);
}

async function told<Message>(meters: ChildProcess): Promise<Message> {
  const [message] = (await once(meters, 'message')) as [Message];
  return message;
}
