/** Limits and names of the Modbus Application Protocol Specification V1.1b3, in one place. */

export const tables = ['coil', 'discrete', 'holding', 'input'] as const;
export type Table = (typeof tables)[number];

/** The function code that reads a table (sections 6.1 to 6.4). */
export const readFunctions = { coil: 1, discrete: 2, holding: 3, input: 4 } as const satisfies Record<Table, number>;

/** Function codes by which a device says who it is: 17 (section 6.13), and 43 with MEI type 14 (section 6.21). */
export const identifyFunctions = { server: 17, device: 43 } as const;
export type IdentifyWay = keyof typeof identifyFunctions;
export const deviceIdMei = 14;
/** Read device id code 1: the basic objects, as a stream. */
export const basicDeviceId = 1;

/** Section 6.3: most registers of one answer. */
export const mostRegisters = 125;
/** Sections 6.1 and 6.2: most coils or discrete inputs of one answer. */
export const mostBits = 2000;
export const lastAddress = 0xffff;

/** Coils and discrete inputs are single bits. */
export function holdsBits(table: Table): boolean {
  return table === 'coil' || table === 'discrete';
}

/** Digit in front of a reference as manuals print it: 40001 is holding register 0. */
export const referenceDigits = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' } as const satisfies Record<
  string,
  Table
>;

/** OPC UA status names of exception codes (section 7); any other exception is a failure of the device. */
const exceptionStatuses: Readonly<Record<number, string>> = {
  1: 'BadNotSupported',
  2: 'BadNodeIdUnknown',
  3: 'BadOutOfRange',
  5: 'BadResourceUnavailable',
  6: 'BadResourceUnavailable',
  10: 'BadNoCommunication',
  11: 'BadNoCommunication',
};

/** The status code of a reading (DESIGN section 6) for an exception code of the device. */
export function statusOfException(code: number): string {
  return exceptionStatuses[code] ?? 'BadDeviceFailure';
}

/** 0A and 0B come from a gateway whose device did not answer: silence, told by another. */
export function meansSilence(exceptionCode: number): boolean {
  return exceptionCode === 10 || exceptionCode === 11;
}
