import type { Stamp } from '../../agent/clock.ts';
import { isRead } from './codec.ts';
import type { Request } from './codec.ts';
import type { Outcome } from './link.ts';
import { identifyFunctions, readFunctions } from './protocol.ts';
import type { IdentifyWay, Table } from './protocol.ts';

/** A request and its outcome as JSON, between a process that owns a line and one that borrows it. Both sides distrust what they get. */

export interface Question {
  readonly request: Request;
  readonly timeoutMs: number;
}

/** A foreign question holds up a line no longer than that. */
const longestMs = 2000;

/** A request as it goes over the daemon's socket; `questionOf` reads it. */
export function questionJson(request: Request, timeoutMs: number): unknown {
  return { ...request, timeoutMs };
}

/** Throws RangeError. What cannot be asked at all is found where it is encoded. */
export function questionOf(json: unknown): Question {
  const { unitId, table, address, count, identify, from, timeoutMs } = (json ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const given = timeoutMs;
  if (!isWhole(unitId, 255) || !isWhole(given, 60_000)) throw new RangeError('no question');
  const patience = Math.min(given, longestMs);
  if (isNamed(table, readFunctions) && isWhole(address, 0xffff) && isWhole(count, 2000))
    return { request: { unitId, table: table as Table, address, count }, timeoutMs: patience };
  if (isNamed(identify, identifyFunctions) && isWhole(from, 0xff))
    return { request: { unitId, identify: identify as IdentifyWay, from }, timeoutMs: patience };
  throw new RangeError('no question');
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}

function isNamed(value: unknown, names: object): boolean {
  return typeof value === 'string' && Object.hasOwn(names, value);
}

/** An outcome as it goes over the daemon's socket, data in hex; `outcomeOf` reads it. */
export function outcomeJson(outcome: Outcome): unknown {
  const { at: _at, ...said } = outcome;
  return said.kind === 'data' ? { kind: 'data', data: said.data.toString('hex') } : said;
}

/** The outcome that came for this request; a text: what came is none. */
export function outcomeOf(request: Request, json: unknown, at: Stamp): Outcome | string {
  const { kind, data, code, reason } = (json ?? {}) as Readonly<Record<string, unknown>>;
  if (kind === 'silence') return { kind, at };
  if (kind === 'damaged' && typeof reason === 'string') return { kind, reason, at };
  if (kind === 'exception' && isWhole(code, 0xff)) return { kind, code, at };
  if (kind === 'data' && typeof data === 'string' && /^(?:[0-9a-f]{2})*$/.test(data)) {
    const bytes = Buffer.from(data, 'hex');
    const isBits = isRead(request) && (request.table === 'coil' || request.table === 'discrete');
    const expected = !isRead(request) ? bytes.length : isBits ? Math.ceil(request.count / 8) : request.count * 2;
    if (bytes.length === expected) return { kind, data: bytes, at };
  }
  return 'the daemon gave an answer that is none; is it another version?';
}
