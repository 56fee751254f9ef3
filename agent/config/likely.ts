import { durationText } from './grammar.ts';

/** What a wrong value was probably meant to be, and what else to write then. `accepts` says whether a guess would be right: no other is made. `inList`: others may stand beside it. */
export function likely(value: unknown, accepts: (guess: unknown) => boolean, inList = false): string | undefined {
  if (typeof value === 'string') return likelyOfText(value, accepts, inList);
  if (typeof value === 'number') return likelyOfNumber(value, accepts);
  if (Array.isArray(value)) {
    if (accepts({ NAME: {} })) return 'write { "NAME": { … }, … }';
    return value.length === 1 && accepts(value[0]) ? 'write it without the [ ]' : undefined;
  }
  if (typeof value === 'object' && value !== null && accepts([value])) {
    return 'id' in value || 'name' in value
      ? 'put it in [ ]'
      : 'write a list: [ { … }, { … } ], each with its name inside';
  }
  return undefined;
}

function likelyOfText(value: string, accepts: (guess: unknown) => boolean, inList: boolean): string | undefined {
  if (accepts([value])) return 'put it in [ ]';
  const tidy = value.replaceAll(/[\p{Cf}\p{Cc}]/gu, '').trim();
  const number = numberOf(tidy);
  if (number !== undefined && accepts(number)) return String(number) === tidy ? 'drop the quotes' : didYouMean(number);
  if (/^(?:true|false)$/.test(value) && accepts(value === 'true')) return 'drop the quotes';
  const truth = /^(?:(true|yes|on|1|y)|(?:false|no|off|0|n))$/i.exec(tidy);
  const guesses = [
    tidy,
    ...(truth === null ? [] : [truth[1] !== undefined]),
    ...durations(tidy),
    ...sizes(tidy),
    ...times(tidy),
    ...rates(tidy),
    ...hex(tidy),
    ...addresses(tidy),
    ...lists(tidy),
    ...(accepts('a-name') ? ids(tidy) : []),
    tidy.replaceAll(/\s+/g, ''),
  ];
  const guess = guesses.find((each) => each !== value && accepts(each));
  const items = lists(tidy)[0] ?? [];
  if (items.length > 0 && items.every(accepts)) {
    if (inList) return `write each by itself: ${items.map((each) => JSON.stringify(each)).join(', ')}`;
    if (/[,;]/.test(tidy)) return 'only one may stand here';
  }
  if (guess === undefined) return number === undefined ? undefined : likelyOfNumber(number, accepts);
  const port = /:(\d{1,5})(?:[/?#].*)?$/.exec(tidy)?.[1];
  // Hosts alone may be addresses with colons: durations, times and names may not.
  const isBareHost = port !== undefined && typeof guess === 'string' && !guess.includes(':') && accepts('::1');
  return isBareHost ? `did you mean ${JSON.stringify(guess)} with "port": ${port} beside it?` : didYouMean(guess);
}

function likelyOfNumber(value: number, accepts: (guess: unknown) => boolean): string | undefined {
  if (accepts(String(value))) return 'put it in quotes';
  if ((value === 0 || value === 1) && accepts(value === 1)) return didYouMean(value === 1);
  const timed = ['s', 'ms', 'm'].map((unit) => `${value}${unit}`).find((guess) => accepts(guess));
  const factor = [1e9, 1e6, 1e3].find((each) => value >= each) ?? 1e3;
  const size = `${value / factor}${{ 1e9: 'GB', 1e6: 'MB', 1e3: 'KB' }[factor]}`;
  const sized = [size, `${value}MB`, `${value}GB`].find((guess) => accepts(guess));
  const rate = `${value}/h`;
  const guess = timed ?? sized ?? (accepts(rate) ? rate : undefined);
  return guess === undefined ? undefined : `write the unit too, e.g. ${JSON.stringify(guess)}`;
}

/** Numbers as JSON writes them: `15`, not `"15"`. */
const didYouMean = (guess: unknown): string => `did you mean ${JSON.stringify(guess)}?`;

/** `2,5` and `2.5`; not what may be an address or a list. */
function numberOf(text: string): number | undefined {
  return /^[+-]?\d{1,15}(?:[.,]\d{1,15})?$/.test(text) ? Number(text.replace(',', '.')) : undefined;
}

const unitWords: Readonly<Record<string, string>> = {
  ms: 'ms msec msecs millis millisecond milliseconds',
  s: 's sec secs second seconds',
  m: 'm min mins minute minutes',
  h: 'h hr hrs hour hours',
  d: 'd day days daily',
  mo: 'mo mon month months',
};
const unitOf = (word: string): string | undefined =>
  Object.keys(unitWords).find((unit) => unitWords[unit]?.split(' ').includes(word.toLowerCase()));

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `15 min`, `1,5s`, `15M`, `1h30m`, `00:15:00`, `PT15M`, `1 month`. */
function durations(text: string): string[] {
  const plain = text.replace(/^P(?:\d+D)?T?/i, (found) => found.replaceAll(/[PT]/gi, ''));
  const clock = /^(\d{1,2}):(\d\d):(\d\d)$/.exec(text);
  if (clock !== null)
    return [durationText(((Number(clock[1]) * 60 + Number(clock[2])) * 60 + Number(clock[3])) * 1000)];
  const parts = [...plain.matchAll(/(\d{1,9}(?:[.,]\d{1,6})?)\s*([a-z]+)\s*/gi)];
  if (parts.length === 0 || parts.map(([found]) => found).join('') !== plain) return [];
  const read = parts.map(([, count = '', word = '']) => ({ count: count.replace(',', '.'), unit: unitOf(word) }));
  const [only] = read;
  if (read.length === 1) return only?.unit === undefined ? [] : [`${only.count}${only.unit}`];
  const ms = read.reduce((sum, { count, unit }) => sum + Number(count) * (unitMs[unit ?? ''] ?? NaN), 0);
  return Number.isInteger(ms) ? [durationText(ms)] : [];
}

/** `2 gb`, `2G`, `1,5GiB`. */
function sizes(text: string): string[] {
  const match = /^(\d{1,9}(?:[.,]\d{1,6})?)\s*([KMGT])(i?)(?:B|bytes?)?$/i.exec(text);
  if (match === null) return [];
  const [, count = '', prefix = '', binary = ''] = match;
  return [`${count.replace(',', '.')}${prefix.toUpperCase()}${binary.toLowerCase()}B`];
}

/** `6:00`, `6.30`, `6h`, `6:30 pm`, `06:00:00`. */
function times(text: string): string[] {
  const [, hour, minute = '00', half] = /^(\d{1,2})(?:[:.h](\d\d)?(?::00)?)?\s*([ap])?\.?(?:m\.?)?$/i.exec(text) ?? [];
  if (hour === undefined) return [];
  const hours =
    half === undefined ? Number(hour === '24' ? '0' : hour) : (Number(hour) % 12) + (/p/i.test(half) ? 12 : 0);
  return [`${String(hours).padStart(2, '0')}:${minute}`];
}

/** `40 kWh/h`, `40 per hour`, `1,5/min`. */
function rates(text: string): string[] {
  const match = /^(\d{1,15}(?:[.,]\d{1,9})?)\s*[^\d/]*?\s*(?:\/|\bper\b)\s*([a-z]+)$/i.exec(text);
  const unit = unitOf(match?.[2] ?? '');
  return unit === undefined ? [] : [`${match?.[1]?.replace(',', '.')}/${unit}`];
}

/** `0BD3h`, `$0BD3`, `16#0BD3`, `0X0bd3`. */
function hex(text: string): string[] {
  const digits = /^(?:(?:\$|16#|&H|0?x)([0-9A-F]{1,5})|([0-9A-F]{1,5})h)$/i.exec(text);
  return digits === null ? [] : [`0x${digits[1] ?? digits[2]}`];
}

/** A host, or host and port, out of a URL, with brackets, with zeros in front of its numbers. */
function addresses(text: string): string[] {
  if (!/:\/\/|@|^\[|:\d+|^\d+\.\d+\./.test(text)) return [];
  const bare = text
    .replace(/^[a-z][a-z\d+._-]*:\/\/+/i, '')
    .replace(/^[^@/]*@/, '')
    .replace(/[/?#].*$/, '');
  const host = bare.replace(/^\[([^\]]*)\](?::\d+)?$/, '$1').replace(/^([^:]*):\d*$/, '$1');
  const decimal = host.replaceAll(/\b0+(?=\d)/g, '');
  const bracketed = /:.*:/.test(bare) ? [`[${bare.replace(/:(\d+)$/, ']:$1')}`] : [];
  return [bare, host, decimal, ...bracketed].filter((each) => each !== '' && each !== text);
}

/** `a:1,b:2` */
function lists(text: string): string[][] {
  const items = text.split(/[,;\s]+/).filter((each) => each !== '');
  return items.length > 1 ? [items, items.flatMap((each) => addresses(each)[0] ?? each)] : [];
}

const spelled: Readonly<Record<string, string>> = {
  ä: 'ae',
  ö: 'oe',
  ü: 'ue',
  Ä: 'Ae',
  Ö: 'Oe',
  Ü: 'Ue',
  ß: 'ss',
  ø: 'o',
  æ: 'ae',
  '³': '3',
  '²': '2',
};

/** Names without what names cannot hold: `Pumpe 1 (Süd)` → `Pumpe-1-Sued`. */
function ids(text: string): string[] {
  if (text.includes(':')) return [];
  const plain = text
    .normalize('NFC')
    .replaceAll(/[äöüÄÖÜßøæ³²]/g, (letter) => spelled[letter] ?? letter)
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return [plain];
}
