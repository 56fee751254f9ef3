import { defaults } from './defaults.ts';
import type { SumPart } from './decode.ts';
import { whyNeverMet } from './invalid.ts';
import type { InvalidMark } from './invalid.ts';
import { placeOf } from './build-place.ts';
import type { Place, PlaceSettings, Tell } from './build-place.ts';
import { holdsBits } from './protocol.ts';
import { orderFits, registersOf } from './types.ts';
import type { ByteOrder, NumberType } from './types.ts';

/** One part of a sum as the schema let it pass. */
export interface PartSettings extends Pick<PlaceSettings, 'address' | 'reference'> {
  readonly type?: NumberType;
  readonly scale?: number;
  readonly invalid?: InvalidMark | readonly InvalidMark[];
}

interface BuiltSum {
  readonly place: Place;
  /** From the first register of all parts to the last. */
  readonly registers: number;
  readonly sum: readonly SumPart[];
}

type Common = Pick<PlaceSettings, 'addressBase' | 'table'> & { readonly byteOrder?: ByteOrder };

/** undefined: it cannot be read, which was told. `common`: what the point states for all parts. */
export function buildSum(parts: readonly PartSettings[], common: Common, tell: Tell): BuiltSum | undefined {
  const built = parts.map((part, at) =>
    buildPart(part, common, (severity, _key, message) => {
      tell(severity, 'sum', `sum[${at}]: ${message}`);
    }),
  );
  const placed = built.filter((part) => part !== undefined);
  const [first] = placed;
  if (first === undefined || placed.length < built.length) return undefined;
  const other = placed.find(({ table }) => table !== first.table);
  if (other !== undefined) {
    tell(
      'error',
      'sum',
      `sum has parts in the tables ${first.table} and ${other.table}; allowed: one table, so that one request brings them all`,
    );
    return undefined;
  }
  const address = Math.min(...placed.map(({ part }) => part.address));
  const end = Math.max(...placed.map(({ part }) => part.address + registersOf(part.type)));
  return { place: { table: first.table, address }, registers: end - address, sum: placed.map(({ part }) => part) };
}

function buildPart(
  set: PartSettings,
  { byteOrder = defaults.byteOrder, ...common }: Common,
  tell: Tell,
): { table: Place['table']; part: SumPart } | undefined {
  if (set.address !== undefined && set.reference !== undefined)
    tell('error', 'reference', 'address and reference exclude each other; keep one of them');
  const place = placeOf({ ...common, ...set }, tell);
  const { type = defaults.type, scale = defaults.scale, invalid = [] } = set;
  if (!orderFits(byteOrder, registersOf(type)))
    tell('error', 'byteOrder', `byteOrder is "${byteOrder}"; allowed for ${type}: ABCD, CDAB, BADC, DCBA`);
  const marks = typeof invalid === 'object' ? invalid : [invalid];
  for (const mark of marks) {
    const why = whyNeverMet(mark, type, registersOf(type));
    if (why !== undefined) tell('error', 'invalid', `invalid is ${JSON.stringify(mark)}; ${why}`);
  }
  if (place === undefined) return undefined;
  if (holdsBits(place.table)) {
    tell('error', null, `it is in the table ${place.table}, whose values are single bits; allowed: holding, input`);
    return undefined;
  }
  return { table: place.table, part: { address: place.address, type, scale, invalid: marks } };
}
