import type { ModbusPoint } from './plan.ts';
import { holdsBits } from './protocol.ts';

/** One request: `count` registers (or bits) from `address`, and the points whose words it brings. */
export interface Block<Point> {
  readonly table: ModbusPoint['table'];
  readonly address: number;
  readonly count: number;
  readonly points: readonly Point[];
}

export type Readable = Pick<
  ModbusPoint,
  'table' | 'address' | 'registers' | 'timeoutMs' | 'retries' | 'pauseMs' | 'maxRegisters' | 'maxGap'
>;

/**
 * The fewest requests that read these points: contiguous registers of one table, gaps of at most `maxGap`, at most `maxRegisters`
 * in one (sixteen bits for a register in tables of bits), a value never split. Same points, same blocks. Points with different limits never share a block.
 */
export function planReads<Point extends Readable>(points: readonly Point[]): Block<Point>[] {
  const groups = Map.groupBy(points, (point) =>
    [point.table, point.maxRegisters, point.maxGap, point.timeoutMs, point.retries, point.pauseMs].join('/'),
  );
  return [...groups.values()].flatMap(blocksOf).toSorted(byAddress);
}

function blocksOf<Point extends Readable>(group: readonly Point[]): Block<Point>[] {
  const blocks: { table: Readable['table']; address: number; count: number; points: Point[] }[] = [];
  for (const point of group.toSorted(byAddress)) {
    const block = blocks.at(-1);
    if (block !== undefined) {
      const gap = point.address - (block.address + block.count);
      const count = Math.max(block.count, point.address + point.registers - block.address);
      if (gap <= point.maxGap && count <= mostOf(point)) {
        block.count = count;
        block.points.push(point);
        continue;
      }
    }
    blocks.push({ table: point.table, address: point.address, count: point.registers, points: [point] });
  }
  return blocks;
}

const mostOf = ({ table, maxRegisters }: Readable): number => (holdsBits(table) ? maxRegisters * 16 : maxRegisters);

type Place = Pick<Readable, 'table' | 'address'> & { readonly registers?: number };

function byAddress(a: Place, b: Place): number {
  if (a.table !== b.table) return a.table < b.table ? -1 : 1;
  return a.address - b.address || (a.registers ?? 0) - (b.registers ?? 0);
}

/** The block as two requests, parted near its middle, where no register is read twice if that can be; itself where it is a single value. */
export function halvesOf<Point extends Readable>(block: Block<Point>): Block<Point>[] {
  const { points } = block;
  const cuts = points.flatMap((point, index) => {
    const before = Math.max(...points.slice(0, index).map(endOf));
    return index > 0 && before <= point.address ? [index] : [];
  });
  const parting = points.flatMap(({ address, registers }, index) => {
    const before = points[index - 1];
    return before === undefined || (before.address === address && before.registers === registers) ? [] : [index];
  });
  const middle = block.address + block.count / 2;
  const distance = (index: number): number => Math.abs((points[index]?.address ?? 0) - middle);
  const [cut] = (cuts.length > 0 ? cuts : parting).toSorted((a, b) => distance(a) - distance(b));
  if (cut === undefined) return [block];
  return [points.slice(0, cut), points.slice(cut)].map((part) => {
    const address = part[0]?.address ?? 0;
    return { table: block.table, address, count: Math.max(...part.map(endOf)) - address, points: part };
  });
}

const endOf = ({ address, registers }: Readable): number => address + registers;
