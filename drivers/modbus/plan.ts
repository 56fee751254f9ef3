import type { PointInfo } from '../../agent/reading.ts';
import type { Decoding } from './decode.ts';
import type { Table } from './protocol.ts';

/** A point with everything resolved: no defaults, no inheritance, no manual's way of counting left. */
export interface ModbusPoint extends Decoding, ReadLimits {
  readonly info: PointInfo;
  readonly table: Table;
  /** As the protocol counts, 0…65535; of a sum, the lowest of its parts. */
  readonly address: number;
  /** Registers, or bits of a table of bits, from `address` on that one request brings; of a sum, up to the end of its last part. */
  readonly registers: number;
  /** A point of the device that holds a signed power of ten, by name. */
  readonly scaleFrom: string | null;
  /** Points of the device that this one is multiplied with, by name. */
  readonly factorFrom: readonly string[];
  /** Whether readings carry the words as received. */
  readonly raw: boolean;
}

/** How a point may be read. Points that differ in any of these never share a request. */
export interface ReadLimits {
  readonly timeoutMs: number;
  /** Further tries after the first. */
  readonly retries: number;
  /** Quiet time before the next request on the connection. */
  readonly pauseMs: number;
  /** Of a table of bits, sixteen bits for each. */
  readonly maxRegisters: number;
  /** Registers, or bits of a table of bits, between two points that may be read over. */
  readonly maxGap: number;
}

export interface ModbusDevice {
  readonly id: string;
  readonly unitId: number;
  /** Distances of its slots, each once. */
  readonly everyMs: readonly number[];
  readonly points: readonly ModbusPoint[];
}

export type Transport =
  | { readonly kind: 'tcp' | 'rtu-over-tcp'; readonly host: string; readonly port: number }
  | ({ readonly kind: 'rtu' } & SerialLine);

export interface SerialLine {
  /** Only this path is ever opened. */
  readonly path: string;
  readonly baudRate: number;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
}

/** One connection with its devices, frozen; plain data, so that two plans can be compared. */
export interface ModbusPlan {
  readonly connection: string;
  readonly transport: Transport;
  readonly pauseAfterConnectMs: number;
  readonly closeWhenIdle: boolean;
  /** Requests at once; 1 on a serial line. */
  readonly maxInFlight: number;
  readonly devices: readonly ModbusDevice[];
}
