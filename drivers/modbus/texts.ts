import { foreignText } from '../foreign-text.ts';
import { swapsBytes } from './types.ts';
import type { ByteOrder } from './types.ts';

/**
 * The text in a string's registers: two bytes each, the high one first unless `byteOrder` swaps them; words are never reordered. It ends at the first NUL,
 * white space at its end is dropped. UTF-8; bytes that are none are taken as Latin-1 (ISO 8859-1), all of them. No control character is in it.
 */
export function textOfWords(words: Buffer, byteOrder: ByteOrder): string {
  const bytes = swapsBytes(byteOrder) ? Buffer.from(words).swap16() : words;
  const end = bytes.indexOf(0);
  const told = end === -1 ? bytes : bytes.subarray(0, end);
  return foreignText(decoded(told).trimEnd());
}

/** The words of a text, padded with NUL; bytes that do not fit are left out. */
export function wordsOfText(text: string, registers: number, byteOrder: ByteOrder): Buffer {
  const words = Buffer.alloc(registers * 2);
  words.write(text, 'utf8');
  return swapsBytes(byteOrder) ? words.swap16() : words;
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
