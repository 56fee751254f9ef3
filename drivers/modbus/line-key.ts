import { realpathSync } from 'node:fs';
import type { Transport } from './plan.ts';

/** One name for a line, however it is written: of a serial line the node behind its links. */
export function lineOf(transport: Transport): string {
  if (transport.kind !== 'rtu') return `${transport.host}:${transport.port}`.toLowerCase();
  try {
    return realpathSync(transport.path);
  } catch {
    return transport.path; // not plugged in
  }
}
