import type { Fault } from './faults.ts';

/** Far above any site (15,000 points), far below what would hold up the start. */
const mostBytes = 2_000_000;

const utf16 = 'this is UTF-16 (some Windows editors call it "Unicode"); save the file as UTF-8';

type Decoded = { readonly text: string; readonly fault?: Fault };

const refuse = (message: string): Decoded => ({ text: '', fault: { offset: 0, message } });

/** The text of a file, or why there is none. A byte order mark of UTF-8 is left out. */
export function textOf(bytes: Uint8Array): Decoded {
  if (bytes.length > mostBytes) {
    return refuse(`the file has ${bytes.length} bytes; allowed: up to ${mostBytes}. Is it a configuration?`);
  }
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return refuse(utf16);
  const zeros = bytes.reduce((sum, byte) => sum + (byte === 0 ? 1 : 0), 0);
  if (zeros > 0 && zeros === bytes.length) {
    return refuse('the file holds only zero bytes, as after a power cut while it was written; restore it from a copy');
  }
  if (zeros > 0 && zeros >= Math.floor(bytes.length / 2) - 1) return refuse(utf16);
  const text = new TextDecoder().decode(bytes);
  const undecodable = text.indexOf('\uFFFD');
  if (undecodable >= 0 && !isUtf8(bytes)) {
    const message = 'this character is not UTF-8 (Windows-1252 or the like); save the file as UTF-8';
    return { text, fault: { offset: undecodable, message } };
  }
  if (zeros > 0) {
    const message = 'a zero byte stands here, as after a power cut while the file was written; restore it from a copy';
    return { text, fault: { offset: text.indexOf('\0'), message } };
  }
  return { text };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
