import { isIP } from 'node:net';

const everyAddress: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * Whether a `Host` header names us. A page in somebody's browser can make its own name point at this machine (DNS rebinding) and read what
 * is meant for programs here; the header then still holds that name. `configured`: the host of `status.listen`; where that is every address
 * of the machine, whoever opened it to the network reaches it by names that we do not know: then any will do.
 */
export function isOurName(header: string, configured: string): boolean {
  const name = nameOf(header.toLowerCase());
  if (name === null) return false;
  if (name === configured.toLowerCase() || name === 'localhost' || name === '::1') return true;
  if (isIP(name) === 4 && name.startsWith('127.')) return true;
  return everyAddress.has(configured);
}

/** Without the port and the brackets of an IPv6 address; null: no such thing. */
function nameOf(header: string): string | null {
  const found = /^(?:\[(?<six>[0-9a-f:.]+)\]|(?<name>[^:[\]@/]+))(?::\d{1,5})?$/.exec(header);
  return found?.groups?.['six'] ?? found?.groups?.['name'] ?? null;
}
