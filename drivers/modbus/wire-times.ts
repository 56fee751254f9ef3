import type { SerialLine } from './plan.ts';

/** How long things take on the wire; all 0 where there is none that we would know of. */
export interface WireTimes {
  readonly characterMs: number;
  /** Silence between two frames. */
  readonly gapMs: number;
}

/**
 * Of a serial line (Modbus over Serial Line V1.02, section 2.5.1.1): a character has a start bit, 8 data bits, parity and stop bits; 3.5 of them keep
 * frames apart, 1.75 ms above 19200 baud.
 */
export function wireTimes(line: Pick<SerialLine, 'baudRate' | 'parity' | 'stopBits'>): WireTimes {
  const bits = 9 + (line.parity === 'none' ? 0 : 1) + line.stopBits;
  const characterMs = (bits * 1000) / line.baudRate;
  return { characterMs, gapMs: line.baudRate > 19_200 ? 1.75 : characterMs * 3.5 };
}
