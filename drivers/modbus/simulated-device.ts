import { decimalOf, numberOf, times } from '../decimal.ts';
import { randomOf } from '../simulated-values.ts';
import { decoderOf } from './decode.ts';
import { encoderOf, maskOf } from './encode.ts';
import type { ModbusDevice, ModbusPoint } from './plan.ts';
import { planReads } from './plan-reads.ts';
import { holdsBits } from './protocol.ts';
import { livelyValue } from './simulated-values.ts';
import { registersOf } from './types.ts';

/** A point with this unit (a UCUM annotation) serves how often it was read, so that gaps and order show at the far end. */
const pollsUnit = '{polls}';

type Table = ModbusPoint['table'];

/** What one point has in the memory of a simulated device. */
interface Source {
  readonly point: ModbusPoint;
  readonly words: (wallMs: number, reads: number) => Buffer;
  /** Where its words go; of a sum, those of each part. */
  readonly pieces: readonly { readonly address: number; readonly registers: number; readonly fromByte: number }[];
  /** Bits of the words that are its own. */
  readonly mask: Buffer;
}

export type SimulatedRegisters = Readonly<Record<Table, ReadonlySet<number>>>;

/** The registers and bits that a simulated device has: those of its points, and gaps that its plan reads over. All others give exception 02. */
export function simulatedRegisters(device: ModbusDevice): SimulatedRegisters {
  const registers: Record<Table, Set<number>> = {
    coil: new Set(),
    discrete: new Set(),
    holding: new Set(),
    input: new Set(),
  };
  for (const { table, address, count } of planReads(device.points)) {
    for (let register = address; register < address + count; register++) registers[table].add(register);
  }
  return registers;
}

/** The values of one device, as the words and bits that a request is answered with. */
export class SimulatedMemory {
  readonly #registers: SimulatedRegisters;
  readonly #sources: readonly Source[];
  /** How often each point was read. */
  readonly #reads = new Map<ModbusPoint, number>();

  constructor(device: ModbusDevice, seed: number) {
    this.#registers = simulatedRegisters(device);
    // Where points share registers the first one's value shows.
    this.#sources = device.points.toReversed().map((point) => sourceOf(point, device, seed));
  }

  has(table: Table, address: number, count: number): boolean {
    for (let at = address; at < address + count; at++) if (!this.#registers[table].has(at)) return false;
    return true;
  }

  /** The data of an answer: words, or bits packed from the lowest one on. Counts as a read of all points that it touches. */
  read(table: Table, address: number, count: number, wallMs: number): Buffer {
    const words = Buffer.alloc(count * 2);
    for (const source of this.#sources) {
      const { point } = source;
      if (point.table !== table || point.address >= address + count || point.address + point.registers <= address)
        continue;
      const reads = (this.#reads.get(point) ?? 0) + 1;
      this.#reads.set(point, reads);
      place(source, source.words(wallMs, reads), words, address);
    }
    return holdsBits(table) ? packed(words) : words;
  }
}

/** A master may ask for half of a value: it gets that half. */
function place({ pieces, mask }: Source, value: Buffer, words: Buffer, address: number): void {
  for (const piece of pieces) {
    for (let byte = 0; byte < piece.registers * 2; byte++) {
      const to = (piece.address - address) * 2 + byte;
      if (to < 0 || to >= words.length) continue;
      const own = mask[piece.fromByte + byte] ?? 0xff;
      words[to] = ((words[to] ?? 0) & ~own) | ((value[piece.fromByte + byte] ?? 0) & own);
    }
  }
}

/** One word each, 0 or not, as bits. */
function packed(words: Buffer): Buffer {
  const bits = Buffer.alloc(Math.ceil(words.length / 16));
  for (let bit = 0; bit < words.length / 2; bit++) {
    if (words.readUInt16BE(bit * 2) !== 0) bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return bits;
}

function sourceOf(point: ModbusPoint, device: ModbusDevice, seed: number): Source {
  return { point, words: wordsOf(point, device, seed), pieces: piecesOf(point), mask: maskOf(point) };
}

function piecesOf({ type, address, registers, sum }: ModbusPoint): Source['pieces'] {
  if (type !== 'sum') return [{ address, registers, fromByte: 0 }];
  let fromByte = 0;
  return sum.map((part) => {
    const piece = { address: part.address, registers: registersOf(part.type), fromByte };
    fromByte += piece.registers * 2;
    return piece;
  });
}

function wordsOf(point: ModbusPoint, device: ModbusDevice, seed: number): Source['words'] {
  const { info, type } = point;
  if (type === 'string') {
    const digits = Math.floor(randomOf(`${seed}/${info.device}/${info.point}`)() * 900_000 + 100_000);
    const words = encoderOf(point)(`SIM${digits}`);
    return () => words;
  }
  const helps = helpIn(point, device);
  if (helps !== undefined) {
    const words = encoderOf(point)(helps);
    return () => words;
  }
  const scaled = scaledByOthers(point, device);
  const encode = encoderOf(scaled);
  const lively = livelyValue(scaled, seed);
  return info.unit === pollsUnit ? (_wallMs, reads) => encode(reads) : (wallMs) => encode(lively(wallMs));
}

/** What a point says that others are multiplied with: 10^−2 if it can be negative, and tenfold. undefined: none is. */
function helpIn(point: ModbusPoint, { points }: ModbusDevice): number | undefined {
  const { point: name } = point.info;
  if (points.some(({ scaleFrom }) => scaleFrom === name)) {
    const said = decoderOf(point)(encoderOf(point)(-2));
    return said.quality === 'good' && said.value === -2 ? -2 : 0;
  }
  return points.some(({ factorFrom }) => factorFrom.includes(name)) ? 10 : undefined;
}

/** With what other points say in its own scale. */
function scaledByOthers(point: ModbusPoint, device: ModbusDevice): ModbusPoint {
  const said = (name: string): number => {
    const other = device.points.find(({ info }) => info.point === name);
    return (other === undefined ? undefined : helpIn(other, device)) ?? 1;
  };
  let scale = decimalOf(String(point.scale));
  if (point.scaleFrom !== null) scale = times(scale, { digits: 1n, exponent: said(point.scaleFrom) });
  for (const name of point.factorFrom) scale = times(scale, decimalOf(String(said(name))));
  return { ...point, scale: numberOf(scale) };
}
