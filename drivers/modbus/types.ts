/** Register types and byte orders, as data. */

export const registerTypes = {
  int16: 1,
  uint16: 1,
  float16: 1,
  int32: 2,
  uint32: 2,
  float32: 2,
  int64: 4,
  uint64: 4,
  float64: 4,
} as const;
export type RegisterType = keyof typeof registerTypes;

/** How many registers a value takes. */
export function registersOf(type: RegisterType): 1 | 2 | 4 {
  return registerTypes[type];
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
  'ABCDEFGH',
  'GHEFCDAB',
  'BADCFEHG',
  'HGFEDCBA',
  'EFGHABCD',
  'CDABGHEF',
] as const;
export type ByteOrder = (typeof byteOrders)[number];

const wide: Readonly<Record<string, ByteOrder>> = {
  ABCD: 'ABCDEFGH',
  CDAB: 'GHEFCDAB',
  BADC: 'BADCFEHG',
  DCBA: 'HGFEDCBA',
};

/** Whether the bytes inside each register are swapped: all that matters for a value of one register. */
function swapsBytes(order: ByteOrder): boolean {
  return order.startsWith('B') || order.startsWith('D') || order.startsWith('H');
}

/**
 * For each byte as received, its place in the big-endian value. Every order is its own inverse, so the same list serves
 * decoding and encoding. Undefined: already in order.
 */
export function bytePlaces(order: ByteOrder, registers: 1 | 2 | 4): readonly number[] | undefined {
  if (registers === 1) return swapsBytes(order) ? [1, 0] : undefined;
  const letters = registers === 4 ? (wide[order] ?? order) : order;
  if (letters.length !== registers * 2) throw new RangeError(`byteOrder ${order} does not fit ${registers} registers`);
  const places = Array.from(letters, (letter) => letter.charCodeAt(0) - 65);
  return places.every((place, index) => place === index) ? undefined : places;
}
