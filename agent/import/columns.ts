import { nearest } from '../config/nearest.ts';

/** What other programs and manuals call the keys of a point, without blanks and signs. */
const synonyms: Readonly<Record<string, string>> = {
  name: 'point pointname tag tagname signal variable parameter registername measurement',
  kind: 'class pointkind',
  unit: 'units uom engineeringunit engineeringunits eu',
  address: 'addr register registeraddress startaddress modbusaddress startregister',
  reference: 'ref modbusreference registernumber',
  addressBase: 'base',
  table: 'registertable area memoryarea function functioncode fc registertype modbustable objecttype',
  type: 'datatype dataformat format registerformat',
  byteOrder: 'endianness endian wordorder byteorderwordorder',
  length: 'size registers numberofregisters quantity count',
  scale: 'factor multiplier scalefactor scaling gain',
  min: 'minimum lowlimit lower',
  max: 'maximum highlimit upper',
  every: 'interval pollinterval pollrate period cycle scanrate',
  description: 'comment comments remark remarks note notes desc text',
  obis: 'obiscode',
};

export interface Column {
  /** From 0. */
  readonly at: number;
  readonly header: string;
  /** Key of a point, `labels.NAME`, or null: left out. */
  readonly key: string | null;
  /** A key that was probably meant by a header that is none. */
  readonly meant: string | null;
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** What the columns stand for. `keys`: those of a point. */
export function columnsOf(headers: readonly string[], keys: readonly string[]): Column[] {
  const words = new Map(keys.map((key) => [plain(key), key]));
  for (const [key, others] of Object.entries(synonyms))
    if (keys.includes(key)) for (const word of others.split(' ')) if (!words.has(word)) words.set(word, key);
  return headers.map((text, at) => {
    const header = text.trim();
    const [, label] = /^labels?[.: ]\s*(.+)$/i.exec(header) ?? [];
    // "Unit (EU)", "Scale [x]": what stands in brackets explains.
    const key =
      label === undefined
        ? (words.get(plain(header)) ?? words.get(plain(header.replace(/[([].*/, ''))))
        : `labels.${label}`;
    const meant = key === undefined && header !== '' ? nearest(header, keys) : undefined;
    return { at, header, key: key ?? null, meant: meant ?? null };
  });
}

/** `D`, as the spreadsheet names a column. */
export function letterOf(at: number): string {
  const letter = String.fromCharCode(65 + (at % 26));
  return at < 26 ? letter : letterOf(Math.floor(at / 26) - 1) + letter;
}
