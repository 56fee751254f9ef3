import { defaults } from './defaults.ts';
import { holdsBits, lastAddress, referenceDigits } from './protocol.ts';
import type { Table } from './protocol.ts';

/** Where a value stands, as settings say it. */
export interface PlaceSettings {
  readonly address?: number;
  readonly reference?: string;
  readonly addressBase?: number;
  readonly table?: Table;
}

export interface Place {
  readonly table: Table;
  /** As the protocol counts. */
  readonly address: number;
}

/** Reports at a key of one point; null: at the point itself. */
export type Tell = (severity: 'error' | 'warning', key: string | null, message: string) => void;

/** undefined: it is nowhere, which was told. */
export function placeOf(set: PlaceSettings, tell: Tell): Place | undefined {
  if (set.reference === undefined) return placeOfAddress(set, tell);
  return placeOfReference(set.reference, set.table, tell);
}

/** The table that settings name, whether or not there is a place in it. */
export function tableOf({ reference, table = defaults.table }: PlaceSettings): Table {
  return reference === undefined ? table : tableOfReference(reference);
}

function placeOfAddress(set: PlaceSettings, tell: Tell): Place | undefined {
  const { address: stated, addressBase, table = defaults.table } = set;
  if (stated === undefined) {
    tell('error', null, 'address is missing (or reference)');
    return undefined;
  }
  const base = addressBase ?? defaults.addressBase;
  const address = stated - base;
  if (address < 0 || address > lastAddress) {
    const hint = base === 0 ? '; a manual that counts from 1 needs "addressBase": 1' : '';
    tell(
      'error',
      'address',
      `address is ${stated}; allowed with addressBase ${base}: ${base}…${lastAddress + base}${hint}`,
    );
    return undefined;
  }
  if (addressBase === undefined && !holdsBits(table) && looksLikeReference(stated)) {
    tell(
      'warning',
      'address',
      `address is ${stated} as the protocol counts; did you mean "reference": "${stated}"? A stated addressBase silences this`,
    );
  }
  return { table, address };
}

/** 30001…39999 and 40001…49999: what manuals print for input and holding registers. */
function looksLikeReference(address: number): boolean {
  return address > 30_000 && address < 50_000 && address % 10_000 !== 0;
}

function placeOfReference(reference: string, stated: Table | undefined, tell: Tell): Place | undefined {
  const table = tableOfReference(reference);
  const number = Number(reference.slice(1));
  if (number < 1 || number > lastAddress + 1) {
    const digit = reference.slice(0, 1);
    const last = reference.length === 5 ? `${digit}9999` : `${digit}${lastAddress + 1}`;
    const first = digit + '1'.padStart(reference.length - 1, '0');
    tell('error', 'reference', `reference is "${reference}"; allowed: "${first}"…"${last}"`);
    return undefined;
  }
  if (stated !== undefined && stated !== table) {
    tell(
      'error',
      'reference',
      `reference "${reference}" names ${tableNames[table]}, but table is ${stated}; write "table": "${table}" beside it, or a reference of ${stated}`,
    );
  }
  return { table, address: number - 1 };
}

/** What it names, as manuals call it. */
const tableNames: Readonly<Record<Table, string>> = {
  coil: 'a coil',
  discrete: 'a discrete input',
  holding: 'a holding register',
  input: 'an input register',
};

function tableOfReference(reference: string): Table {
  return referenceDigits[reference.slice(0, 1) as keyof typeof referenceDigits];
}
