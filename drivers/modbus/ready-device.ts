import type { PointInfo } from '../../agent/reading.ts';
import { BlockMemory } from './block-memory.ts';
import { Liveness } from './liveness.ts';
import { readyPoints, withHelpers } from './observe.ts';
import type { ReadyPoint, ReadyPoints } from './observe.ts';
import type { ModbusDevice, ReadLimits } from './plan.ts';
import { planReads } from './plan-reads.ts';
import type { Block } from './plan-reads.ts';

/** A device of a session: its points ready to be decoded, and what it has shown of itself. */
export interface ReadyDevice {
  readonly id: string;
  readonly unitId: number;
  /** When a call of it had the line first, counted in calls; below 0: none had, in the order of the plan. */
  turn: number;
  readonly points: ReadyPoints;
  /** Distances of its slots. */
  readonly everyMs: readonly number[];
  readonly memory: BlockMemory;
  readonly liveness: Liveness;
  /** Its shortest request: what a probe asks. undefined: it has no points. */
  readonly smallest: Block<ReadyPoint> | undefined;
  /** Requests for the sets of points that were asked for lately. */
  readonly known: { readonly asked: readonly PointInfo[]; readonly blocks: Block<ReadyPoint>[] }[];
}

/** One request of a call. */
export interface Step {
  readonly block: Block<ReadyPoint>;
  /** Tries after this one. */
  readonly triesLeft: number;
  readonly hasCounter: boolean;
}

export function readyDevice(device: ModbusDevice, turn: number, everyRaw: boolean): ReadyDevice {
  const points = readyPoints(device, everyRaw);
  const [smallest] = [...points.values()].toSorted((a, b) => a.registers - b.registers);
  return {
    id: device.id,
    unitId: device.unitId,
    turn,
    points,
    everyMs: device.everyMs,
    memory: new BlockMemory(),
    liveness: new Liveness(),
    smallest: smallest === undefined ? undefined : planReads([smallest])[0],
    known: [],
  };
}

/** A device has few distinct slots, so few sets of points: planning them once is enough. */
const mostKnown = 8;

/** The reads that bring these points and the registers which scale them; planned once per set of points. */
export function blocksOf(device: ReadyDevice, asked: readonly PointInfo[]): Block<ReadyPoint>[] {
  const known = device.known.find(
    (one) => one.asked.length === asked.length && one.asked.every((info, index) => info === asked[index]),
  );
  if (known !== undefined) return known.blocks;
  const points = asked.flatMap((info) => device.points.get(info.point) ?? []);
  const blocks = planReads(withHelpers(points, device.points));
  device.known.unshift({ asked: [...asked], blocks });
  device.known.length = Math.min(device.known.length, mostKnown);
  return blocks;
}

export function stepsOf(blocks: readonly Block<ReadyPoint>[]): Step[] {
  return blocks.map((block) => ({
    block,
    triesLeft: limitsOf(block).retries,
    hasCounter: block.points.some(({ info }) => info.kind === 'counter'),
  }));
}

export const hasCounter = (steps: readonly Step[]): boolean => steps.some((step) => step.hasCounter);

/** Takes the next one out; `countersFirst` when the line is late. */
export function takeStep(left: Step[], countersFirst: boolean): Step | undefined {
  const index = countersFirst ? left.findIndex((step) => step.hasCounter) : 0;
  return left.splice(Math.max(0, index), 1)[0];
}

/** Points of a block have the same. */
export function limitsOf({ points }: Block<ReadyPoint>): ReadLimits {
  const [first] = points;
  if (first === undefined) throw new Error('a block without points');
  return first;
}
