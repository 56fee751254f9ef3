import { UsageError } from '../../../agent/errors.ts';
import { lastAddress, mostRegisters, referenceDigits, tables } from '../protocol.ts';
import type { Table } from '../protocol.ts';
import { defaults } from '../defaults.ts';
import { lineUrl } from './line-url.ts';
import type { LineUrl } from './line-url.ts';
import type { Query } from './query.ts';
import type { Origin } from './rank.ts';

/** What is to be probed. */
export interface Target {
  readonly line: LineUrl;
  readonly unitId: number;
  readonly table: Table;
  /** As the protocol counts. */
  readonly address: number;
  readonly count: number;
  /** Whether the URL says how many. */
  readonly isCounted: boolean;
  /** As the URL counts: what is pasted shall read like the manual. */
  readonly addressBase: 0 | 1;
  /** The plainest meaning first. */
  readonly origins: readonly Origin[];
}

const form = {
  end: '/UNIT?address=0&count=4',
  hasUnit: true,
  keys: ['table', 'address', 'count', 'reference', 'addressBase'],
  usualTimeoutMs: defaults.timeoutMs,
};
const usualCount = 4;

/** Throws UsageError. */
export function targetOf(text: string): Target {
  const line = lineUrl(text, form);
  const { unitId, query } = line;
  if (unitId === null) throw new TypeError('a URL without its unit came through');
  const addressBase = query.integer('addressBase', 0, 1) === 1 ? 1 : 0;
  const { table, address } =
    query.text('reference') === undefined ? placeIn(query, addressBase) : placeOfReference(query);
  const isBits = table === 'coil' || table === 'discrete';
  const stated = query.integer('count', 1, isBits ? 2000 : mostRegisters);
  const count = stated ?? Math.min(usualCount, lastAddress + 1 - address);
  if (address + count > lastAddress + 1)
    throw new UsageError(
      `count is ${count}; from ${address} on there are ${lastAddress + 1 - address} up to the last, ${lastAddress}`,
    );
  const origins = originsOf(table, address);
  return { line, unitId, table, address, count, isCounted: stated !== undefined, addressBase, origins };
}

function placeIn(query: Query, addressBase: 0 | 1): { table: Table; address: number } {
  const table = query.oneOf('table', tables) ?? 'holding';
  const stated = query.integer('address', addressBase, lastAddress + addressBase);
  if (stated === undefined)
    throw new UsageError(`the address is missing; allowed: address=0…${lastAddress}, or reference=40001`);
  return { table, address: stated - addressBase };
}

function placeOfReference(query: Query): { table: Table; address: number } {
  const text = query.text('reference') ?? '';
  for (const key of ['address', 'addressBase', 'table'])
    if (query.text(key) !== undefined)
      throw new UsageError(`reference and ${key} exclude each other; keep one of them`);
  const address = /^[0134](?:\d{4}|\d{5})$/.test(text) ? Number(text.slice(1)) - 1 : -1;
  if (address >= 0 && address <= lastAddress)
    return { table: referenceDigits[text.slice(0, 1) as keyof typeof referenceDigits], address };
  throw new UsageError(
    `reference is ${JSON.stringify(text)}; allowed: 5 or 6 digits whose first names the table, e.g. 40001 or 400001`,
  );
}

/** Manuals that count from 1 are caught by the neighbours; a reference that was typed as an address lies elsewhere. */
function originsOf(table: Table, address: number): Origin[] {
  const origins = [{ table, address, doubt: 0 }];
  const [, digit, rest] = /^([34])(\d{4})$/.exec(String(address)) ?? [];
  if (digit !== undefined && Number(rest) >= 1)
    origins.push({ table: digit === '3' ? 'input' : 'holding', address: Number(rest) - 1, doubt: 0.2 });
  return origins;
}
