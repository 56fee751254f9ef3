/** Register types and byte orders, as data. */

/** Numbers, and how many registers each takes. */
export const numberTypes = {
  int8h: 1,
  int8l: 1,
  uint8h: 1,
  uint8l: 1,
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  int48: 3,
  uint48: 3,
  int64: 4,
  uint64: 4,
  float16: 1,
  float32: 2,
  float64: 4,
  bcd16: 1,
  bcd32: 2,
  mod10k32: 2,
  mod10k48: 3,
  mod10k64: 4,
} as const;
export type NumberType = keyof typeof numberTypes;

/** As a point states them: a `bit` of one register, or of a coil or discrete input; a `string` is as long as its `length`. */
export const registerTypes = [...(Object.keys(numberTypes) as NumberType[]), 'bit', 'string'] as const;
export type RegisterType = NumberType | 'bit' | 'string';

/** How many registers a number takes. */
export function registersOf(type: NumberType): 1 | 2 | 3 | 4 {
  return numberTypes[type];
}

/**
 * Names say in which order the bytes of a value arrive, A being the most significant. The four-letter names mean the same
 * swaps at every width: CDAB reverses the words, BADC the bytes in each word, DCBA both.
 */
export const byteOrders = [
  'ABCD',
  'CDAB',
  'BADC',
  'DCBA',
  'ABCDEF',
  'EFCDAB',
  'BADCFE',
  'FEDCBA',
  'ABCDEFGH',
  'GHEFCDAB',
  'BADCFEHG',
  'HGFEDCBA',
  'EFGHABCD',
  'CDABGHEF',
] as const;
export type ByteOrder = (typeof byteOrders)[number];

/** What the four-letter names mean at another width, by its number of registers. */
const wider: Readonly<Record<number, Readonly<Record<string, ByteOrder>>>> = {
  3: { ABCD: 'ABCDEF', CDAB: 'EFCDAB', BADC: 'BADCFE', DCBA: 'FEDCBA' },
  4: { ABCD: 'ABCDEFGH', CDAB: 'GHEFCDAB', BADC: 'BADCFEHG', DCBA: 'HGFEDCBA' },
};

/** Whether a name has a meaning for so many registers. For one register, and for each by itself, all have. */
export function orderFits(order: ByteOrder, registers: number): boolean {
  return registers === 1 || order.length === 4 || order.length === registers * 2;
}

/** Whether the bytes inside each register are swapped: all that matters for a value of one register, and for strings. */
export function swapsBytes(order: ByteOrder): boolean {
  return /^[BDFH]/.test(order);
}

/**
 * For each byte as received, its place in the big-endian value. Every order is its own inverse, so the same list serves
 * decoding and encoding. Undefined: already in order.
 */
export function bytePlaces(order: ByteOrder, registers: 1 | 2 | 3 | 4): readonly number[] | undefined {
  if (registers === 1) return swapsBytes(order) ? [1, 0] : undefined;
  if (!orderFits(order, registers)) throw new RangeError(`byteOrder ${order} does not fit ${registers} registers`);
  const letters = wider[registers]?.[order] ?? order;
  const places = Array.from(letters, (letter) => letter.charCodeAt(0) - 65);
  return places.every((place, index) => place === index) ? undefined : places;
}

/** The bytes as received in the order of the value, or back: every order is its own inverse. */
export function reordered(bytes: Buffer, places: readonly number[] | undefined): Buffer {
  if (places === undefined) return bytes;
  const ordered = Buffer.allocUnsafe(bytes.length);
  for (const [index, place] of places.entries()) ordered[place] = bytes[index] ?? 0;
  return ordered;
}
