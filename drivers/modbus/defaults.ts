import { mostRegisters } from './protocol.ts';

/** What holds where neither point nor device, profile or connection says otherwise. The plan takes it from here, and so does the reference. */
export const defaults = {
  /** Registered for Modbus TCP. */
  port: 502,
  /** Modbus over Serial Line V1.02, section 2.2, wants 19200; meters come with 9600. */
  baudRate: 9600,
  parity: 'even',
  stopBits: 1,
  maxInFlight: 1,
  table: 'holding',
  addressBase: 0,
  type: 'uint16',
  byteOrder: 'ABCD',
  scale: 1,
  offset: 0,
  timeoutMs: 1000,
  retries: 1,
  pauseMs: 0,
  maxRegisters: mostRegisters,
  maxGap: 0,
} as const;
