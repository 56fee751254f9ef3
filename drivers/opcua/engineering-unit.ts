import { ucum } from '../../agent/config/ucum.ts';

/** What a server says of a unit (OPC UA Part 8, 5.6.3), as the library decodes it. */
export interface EuInformation {
  readonly unitId?: unknown;
  readonly displayName?: { readonly text?: string | null } | null;
}

/** UCUM codes of UN/CEFACT common codes (Recommendation 20), which are the unitId: three characters in a number (OPC UA Part 8, 5.6.3.3). */
const ofCommonCode: Readonly<Record<string, string>> = {
  MTR: 'm',
  CMT: 'cm',
  MMT: 'mm',
  KMT: 'km',
  MTK: 'm2',
  MTQ: 'm3',
  LTR: 'L',
  HLT: 'hL',
  MLT: 'mL',
  KGM: 'kg',
  GRM: 'g',
  TNE: 't',
  SEC: 's',
  C26: 'ms',
  MIN: 'min',
  HUR: 'h',
  DAY: 'd',
  CEL: 'Cel',
  FAH: '[degF]',
  KEL: 'K',
  VLT: 'V',
  KVT: 'kV',
  AMP: 'A',
  '4K': 'mA',
  OHM: 'Ohm',
  HTZ: 'Hz',
  KHZ: 'kHz',
  MHZ: 'MHz',
  WTT: 'W',
  KWT: 'kW',
  MAW: 'MW',
  D46: 'V.A',
  KVA: 'kV.A',
  KVR: 'kvar',
  WHR: 'W.h',
  KWH: 'kW.h',
  MWH: 'MW.h',
  GWH: 'GW.h',
  JOU: 'J',
  KJO: 'kJ',
  GV: 'GJ',
  PAL: 'Pa',
  A97: 'hPa',
  KPA: 'kPa',
  MPA: 'MPa',
  BAR: 'bar',
  MBR: 'mbar',
  MQH: 'm3/h',
  MQS: 'm3/s',
  G51: 'L/s',
  L2: 'L/min',
  MTS: 'm/s',
  KMH: 'km/h',
  KGS: 'kg/s',
  E93: 'kg/h',
  RPM: '{rotation}/min',
  P1: '%',
  '59': '[ppm]',
  M1: 'mg/L',
  GL: 'g/L',
  DD: 'deg',
  C62: '1',
};

const longestUnit = 32;

/** By its code where that is known, else by its usual spelling, else as it stands. null: the server says none. */
export function unitOf({ unitId, displayName }: EuInformation): string | null {
  if (typeof unitId === 'number') {
    const known = ofCommonCode[commonCode(unitId)];
    if (known !== undefined) return known;
  }
  const said = (displayName?.text ?? '').replaceAll(/\p{Cc}/gu, '').trim();
  return said === '' || said.length > longestUnit ? null : ucum(said).code;
}

/** `5067858` → `MTR`. */
function commonCode(unitId: number): string {
  const bytes = [16, 8, 0].map((shift) => (unitId >>> shift) & 0xff).filter((byte) => byte !== 0);
  return unitId > 0 && unitId < 1 << 24 ? String.fromCharCode(...bytes) : '';
}

/** What a server says that has such a unit (UCUM). */
export function euInformation(unit: string): {
  namespaceUri: string;
  unitId: number;
  displayName: { text: string };
} {
  const code = Object.keys(ofCommonCode).find((each) => ofCommonCode[each] === unit);
  const unitId = code === undefined ? -1 : [...Buffer.from(code)].reduce((number, byte) => number * 256 + byte, 0);
  return { namespaceUri: 'http://www.opcfoundation.org/UA/units/un/cefact', unitId, displayName: { text: unit } };
}
