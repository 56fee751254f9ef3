import { durationText } from '../../agent/config/grammar.ts';
import type { PointInfo } from '../../agent/reading.ts';
import type { LinkLoad, PointTiming, Report } from '../driver.ts';
import type { ModbusDevice, ModbusPlan, ModbusPoint, SerialLine, Transport } from './plan.ts';
import { planReads } from './plan-reads.ts';
import type { Block } from './plan-reads.ts';
import { holdsBits } from './protocol.ts';
import { baudRates } from './schema-connections.ts';
import { slotKinds } from './slot-kinds.ts';
import { wireTimes } from './wire-times.ts';

type TimingOf = (point: PointInfo) => PointTiming;

/** From the end of a request to the begin of its answer, besides the gap: meters take 2 to 50 ms. */
const turnaroundMs = 10;
/** Unit, function code, address, count and CRC; unit, function code, byte count and CRC. */
const requestBytes = 8;
const answerBytes = 5;
/** Beyond it a request that has to be repeated makes others late. */
const wellFilled = 0.8;

/**
 * What the requests of a plan take of its line when every device answers at once; warns of what cannot work. Over a network the wire is not known: only the
 * pauses between requests count.
 */
export function loadOf(plan: ModbusPlan, timingOf: TimingOf, report: Report): LinkLoad {
  const { transport, devices } = plan;
  const share = shareOf(devices, timingOf, transport);
  const told = share > 1 ? overfull(share, plan, timingOf) : lateCounters(plan, timingOf);
  if (told !== undefined) report('warning', { device: null, point: null, key: null }, told);
  const all = devices.map((device) => blocksOf(device, () => true));
  const known = transport.kind === 'rtu';
  return {
    share: known ? share : null,
    cycleMs: known ? sum(all.map((blocks) => tookMs(blocks, transport))) : null,
    silenceMs: Math.max(0, ...all.flat().map(silenceMs)),
  };
}

function overfull(load: number, { devices, transport }: ModbusPlan, timingOf: TimingOf): string {
  const less = 'make every longer, or read fewer points';
  if (transport.kind !== 'rtu')
    return `this cannot work: the pauses alone would take ${percent(load)} of the time; ${less}, or make pause shorter`;
  const at = (baudRate: number): number => shareOf(devices, timingOf, { ...transport, baudRate });
  const faster = baudRates.find((rate) => rate > transport.baudRate && at(rate) <= wellFilled);
  const hint = faster === undefined ? '' : `, or set line and devices to ${faster} baud (${percent(at(faster))})`;
  return (
    `this cannot work: at ${transport.baudRate} baud the requests would take ${percent(load)} of the time, if every answer comes within ${turnaroundMs} ms; ` +
    `${less}${hint}, or let one request read over unused registers (maxGap)`
  );
}

/** Of counters whose slots end before all that is due at once can be read. */
function lateCounters({ devices, transport }: ModbusPlan, timingOf: TimingOf): string | undefined {
  const counters = devices.flatMap(({ points }) => points.filter(({ info }) => info.kind === 'counter'));
  const withins = new Set(counters.map(({ info }) => timingOf(info).withinMs));
  for (const withinMs of [...withins].toSorted((a, b) => a - b)) {
    const isAmong = ({ info }: ModbusPoint): boolean => info.kind === 'counter' && timingOf(info).withinMs <= withinMs;
    const took = sum(devices.map((device) => tookMs(blocksOf(device, isAmong), transport)));
    if (took > withinMs)
      return (
        `this cannot work: counters that are to be read within ${durationText(withinMs)} of their slots take ${seconds(took)} when all are due; ` +
        'make within (or every) longer, or read fewer points'
      );
  }
  return undefined;
}

/** On average; what is due together is read together. */
function shareOf(devices: readonly ModbusDevice[], timingOf: TimingOf, transport: Transport): number {
  const everyOf = ({ info }: ModbusPoint): number => timingOf(info).everyMs;
  const shares = devices.flatMap((device) => {
    return slotKinds(device.points.map(everyOf)).map(({ due, perMs }) => {
      const blocks = blocksOf(device, (point) => due.has(everyOf(point)));
      return tookMs(blocks, transport) * perMs;
    });
  });
  return sum(shares);
}

/** Without decoders: a plan that has problems has none that work. */
function blocksOf({ points }: ModbusDevice, isDue: (point: ModbusPoint) => boolean): Block<ModbusPoint>[] {
  const due = points.filter(isDue);
  const needed = new Set(due.flatMap(({ scaleFrom, factorFrom }) => [scaleFrom, ...factorFrom]));
  return planReads(points.filter((point) => due.includes(point) || needed.has(point.info.point)));
}

function tookMs(blocks: readonly Block<ModbusPoint>[], transport: Transport): number {
  return sum(blocks.map((block) => pauseMs(block) + (transport.kind === 'rtu' ? onWireMs(block, transport) : 0)));
}

/** Both frames, the silence of 3.5 characters before each, and what a device takes to answer. */
function onWireMs({ table, count }: Block<ModbusPoint>, line: SerialLine): number {
  const { characterMs, gapMs } = wireTimes(line);
  const dataBytes = holdsBits(table) ? Math.ceil(count / 8) : count * 2;
  return (requestBytes + answerBytes + dataBytes) * characterMs + 2 * gapMs + turnaroundMs;
}

const pauseMs = ({ points }: Block<ModbusPoint>): number => points[0]?.pauseMs ?? 0;

/** The first request that stays unanswered ends the cycle. */
function silenceMs({ points }: Block<ModbusPoint>): number {
  const [{ timeoutMs, retries } = { timeoutMs: 0, retries: 0 }] = points;
  return timeoutMs * (retries + 1);
}

const sum = (all: readonly number[]): number => all.reduce((total, each) => total + each, 0);
const percent = (share: number): string => `${Math.ceil(share * 100)} %`;
const seconds = (ms: number): string => `${(ms / 1000).toPrecision(2)} s`;
