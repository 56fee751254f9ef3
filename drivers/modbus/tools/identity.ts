/** Who a device says it is; null: it does not say. */
export interface Identity {
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly version: string | null;
  readonly serial: string | null;
}

/** The SunSpec marker "SunS" (SunSpec Device Information Model Specification, "Device Modbus Map"), and where it may stand. */
export const sunSpecMarker = 'SunS';
export const sunSpecBases = [40_000, 50_000, 0] as const;
/** Marker, id and length of the common model, and its 65 or 66 registers without the padding. */
export const sunSpecRegisters = 69;

/** The common model (model 1) behind the marker; null: another model, or none. `words` begin with the marker. */
export function sunSpecIdentity(words: Buffer): Identity | null {
  if (
    words.length < sunSpecRegisters * 2 ||
    words.toString('latin1', 0, 4) !== sunSpecMarker ||
    words.readUInt16BE(4) !== 1
  )
    return null;
  const text = (register: number, registers: number): string | null =>
    textOf(words.subarray(register * 2, (register + registers) * 2));
  return { manufacturer: text(4, 16), model: text(20, 16), version: text(44, 8), serial: text(52, 16) };
}

/** What can be shown of a device's text, which is foreign: null when nothing is left. */
export function textOf(bytes: Buffer): string | null {
  const text = bytes
    .toString('latin1')
    .replace(/\0.*$/s, '')
    .replaceAll(/[^\x20-\x7e]/g, '')
    .trim();
  return text === '' ? null : text;
}
