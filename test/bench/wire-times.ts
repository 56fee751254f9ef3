/** Modbus over Serial Line V1.02: section 2.5.1.1 (a character has 11 bits, 3.5 of them keep frames apart), section 2.5.1 and the application protocol's 6.3 for the frames. */

export const requestCharacters = 8;
export const gapCharacters = 3.5;

export function characterMsAt(baudRate: number): number {
  return 11_000 / baudRate;
}

/** Unit, function code, byte count, the registers, CRC. */
export function answerCharacters(registers: number): number {
  return 5 + 2 * registers;
}

/** From one request to the next at best: silence before the request, the request, silence behind it, what the device thinks, the answer. */
export function necessaryMs(baudRate: number, registers: number, thinkMs: number): number {
  return (2 * gapCharacters + requestCharacters + answerCharacters(registers)) * characterMsAt(baudRate) + thinkMs;
}
