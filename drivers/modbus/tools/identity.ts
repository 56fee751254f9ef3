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
/** Marker, id and length of the common model, and its 65 registers without the padding. */
export const sunSpecRegisters = 69;

/** The common model (model 1) behind the marker; null: another model, or none. `words` begin with the marker. */
export function sunSpecIdentity(words: Buffer): Identity | null {
  const isCommon =
    words.length >= sunSpecRegisters * 2 &&
    words.toString('latin1', 0, 4) === sunSpecMarker &&
    words.readUInt16BE(4) === 1;
  if (!isCommon) return null;
  const text = (register: number, registers: number): string | null =>
    shownText(words.subarray(register * 2, (register + registers) * 2));
  return { manufacturer: text(4, 16), model: text(20, 16), version: text(44, 8), serial: text(52, 16) };
}

/** One page of objects (section 6.21 of the application protocol), behind the MEI type. */
export interface ObjectPage {
  readonly objects: ReadonlyMap<number, string>;
  /** The first object of the next page; null: this was the last. */
  readonly next: number | null;
}

/** `data`: read device id code, conformity, whether more follow, the next object, how many, then id, length and text of each. */
export function objectPage(data: Buffer): ObjectPage {
  const objects = new Map<number, string>();
  for (let at = 5; at + 2 <= data.length; at += 2 + data.readUInt8(at + 1)) {
    const text = shownText(data.subarray(at + 2, at + 2 + data.readUInt8(at + 1)));
    if (text !== null) objects.set(data.readUInt8(at), text);
  }
  return { objects, next: data[2] === 0xff ? (data[3] ?? null) : null };
}

/** Objects 0 to 2 are basic, 4 and 5 regular ones. */
export function objectIdentity(objects: ReadonlyMap<number, string>): Identity | null {
  if (objects.size === 0) return null;
  return {
    manufacturer: objects.get(0) ?? null,
    model: objects.get(5) ?? objects.get(4) ?? objects.get(1) ?? null,
    version: objects.get(2) ?? null,
    serial: null,
  };
}

/** What can be shown of a device's text, which is foreign: null when nothing is left. */
export function shownText(bytes: Buffer): string | null {
  const text = bytes
    .toString('latin1')
    .replace(/\0.*$/s, '')
    .replaceAll(/[^\x20-\x7e]/g, '')
    .trim();
  return text === '' ? null : text;
}

export interface KnownProfile {
  readonly name: string;
  readonly model: string;
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** The profiles one of whose models stands in what a device says of itself. */
export function profilesLike(said: string, known: readonly KnownProfile[]): string[] {
  const hay = plain(said);
  return known.flatMap(({ name, model }) => {
    const words = model
      .replace(/\(.*$/, '')
      .split(/,|\s\/\s/)
      .flatMap((each) => [each, ...each.split(/[\s-]/).filter((part) => /[A-Za-z].*\d/.test(part))]);
    return words.some((word) => plain(word).length >= 3 && hay.includes(plain(word))) ? [name] : [];
  });
}
