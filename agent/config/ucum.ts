/** UCUM code ← the usual spellings on plates and in manuals. UCUM has no var; `var` is kept as the unit that every reader knows. */
export const usual: Readonly<Record<string, string>> = {
  'W.h': 'Wh WH',
  'kW.h': 'kWh KWh KWH kwh',
  'MW.h': 'MWh',
  'GW.h': 'GWh',
  kW: 'KW Kw',
  'V.A': 'VA',
  'kV.A': 'kVA',
  'MV.A': 'MVA',
  'V.A.h': 'VAh',
  'kV.A.h': 'kVAh',
  'MV.A.h': 'MVAh',
  var: 'VAr VAR Var',
  kvar: 'kVAr kVAR',
  Mvar: 'MVAr MVAR',
  'var.h': 'varh VArh VARh',
  'kvar.h': 'kvarh kVArh kVARh',
  'Mvar.h': 'Mvarh MVArh',
  'A.h': 'Ah',
  Hz: 'hz HZ',
  Ohm: 'Ω ohm',
  kOhm: 'kΩ',
  MOhm: 'MΩ',
  Cel: '°C ℃ degC',
  '[degF]': '°F ℉ degF',
  deg: '°',
  L: 'l liter litre ltr',
  mL: 'ml',
  hL: 'hl',
  s: 'sec',
  min: 'mins',
  h: 'hr hour hours',
  d: 'day days',
  '{rotation}/min': 'rpm RPM U/min',
  '[ppm]': 'ppm',
  '[ppb]': 'ppb',
  '[psi]': 'psi PSI',
  '[gal_us]/min': 'gpm',
  '[pH]': 'pH',
  '{NTU}': 'NTU',
  '{FNU}': 'FNU',
  'm[H2O]': 'mH2O mWC mWs',
  'mm[Hg]': 'mmHg',
  bar: 'Bar BAR',
  '{pulse}': 'pulse pulses imp',
};
export const spellings: ReadonlyMap<string, string> = new Map(
  Object.entries(usual).flatMap(([code, words]) => words.split(' ').map((word) => [word, code] as const)),
);

export const list = (words: string): string[] => words.split(' ');
const prefixes = list('Y Z E P T G M k h da d c m u n p f a z y');
/** Without C: UCUM means coulomb by it, everybody else degrees. */
const metric = list(
  'm g s A K mol cd V W Hz Pa bar Cel L l J N Ohm S F H T Wb lm lx eV Bq Gy Sv rad sr t B var m[H2O] m[Hg] cal',
);
const plain = list(
  '% 1 min h d wk mo a deg [degF] [pH] [ppm] [ppb] [ppth] [psi] [gal_us] [ft_i] [in_i] [mi_i] [HP] ha ar 10* 10^',
);
const atoms = new Set([...plain, ...metric, ...prefixes.flatMap((prefix) => metric.map((atom) => prefix + atom))]);

/** A unit as UCUM writes it, and whether it is one that we know. Unknown ones pass unchanged. */
export function ucum(unit: string): { readonly code: string; readonly known: boolean } {
  const tidy = unit
    .trim()
    .replaceAll('²', '2')
    .replaceAll('³', '3')
    .replaceAll(/[µμ]/g, 'u')
    .replaceAll(/[·⋅]/g, '.');
  const powers = tidy.replaceAll(/(?<=[A-Za-z])\^(-?\d)/g, '$1');
  const code = spellings.get(powers) ?? powers.replaceAll(/[^./]+/g, (term) => spellings.get(term) ?? term);
  return isUcum(code) ? { code, known: true } : { code: unit, known: false };
}

function isUcum(code: string): boolean {
  return code.replace(/^\//, '1/').split(/[./]/).every(isTerm);
}

/** An atom with prefix, exponent and annotation (`kW`, `s-1`, `m3`, `{pulse}`), or a whole number. */
function isTerm(term: string): boolean {
  const bare = term.replace(/\{[!-z|~]+\}$/, '');
  const base = bare.replace(/(?<=[^\d*^])[-+]?[1-9]$/, '');
  return (bare === '' && term !== '') || atoms.has(bare) || atoms.has(base) || /^[1-9]\d*$/.test(bare);
}
