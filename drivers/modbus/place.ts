import { referenceDigits } from './protocol.ts';
import type { Table } from './protocol.ts';

/** The references that manuals print for an address, of 5 digits (where it has one) and of 6: `40013`, `400013`. */
export function referencesOf(table: Table, address: number): string[] {
  const digit = Object.entries(referenceDigits).find(([, name]) => name === table)?.[0] ?? '';
  const counted = address + 1;
  const long = digit + String(counted).padStart(5, '0');
  return counted <= 9999 ? [digit + String(counted).padStart(4, '0'), long] : [long];
}

/** `holding 12 (40013, 400013)`: the protocol address and the references of manuals. */
export function placeText(table: Table, address: number): string {
  return `${table} ${address} (${referencesOf(table, address).join(', ')})`;
}
