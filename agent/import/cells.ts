import * as v from 'valibot';

/** What Excel makes of a cell so that it stays text, and blanks that one does not see. */
export function tidy(text: string): string {
  const trimmed = text.replaceAll(/[\u00a0\u202f\u200b\ufeff]/g, ' ').trim();
  return (/^="(.*)"$/.exec(trimmed)?.[1] ?? trimmed.replace(/^'(?=[\d+-])/, '')).trim();
}

export type Mark = ',' | '.';

const numberForm = /^[+-]?\d+(?:([.,])\d+)?(?:[eE][+-]?\d{1,3})?$/;

/** Which sign the numbers of a sheet have before their decimals, as far as one of them leaves no doubt. */
export function decimalMark(texts: readonly string[]): Mark | null {
  const sure = texts.flatMap((text) =>
    isDoubtful(text) ? [] : ((numberForm.exec(text)?.[1] as Mark | undefined) ?? []),
  );
  return sure.includes(',') ? ',' : (sure[0] ?? null);
}

/** `1,000` and `1.000`: a thousand, or one. */
function isDoubtful(text: string): boolean {
  return /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/.test(text);
}

export type Read = { readonly value: unknown } | { readonly problem: string };

/**
 * A cell as JSON, in the form that the key's grammar takes. What it takes in no form stays as it is: then `check` says what is wrong with it.
 * `mark`: of this sheet.
 */
export function valueOf(key: string, text: string, schema: v.GenericSchema | undefined, mark: Mark | null): Read {
  if (schema === undefined) return { value: text };
  if (key === 'invalid' && /^\d{4}$/.test(text))
    return { problem: `invalid is "${text}": hex digits, or a number? write 0x${text} or ${text}${mark ?? '.'}0` };
  const takes = (value: unknown): boolean => v.safeParse(schema, value).success;
  const word = wordsOf(key, text).find(takes);
  if (word !== undefined) return { value: word };
  const found = numberForm.exec(text);
  if (found === null) return { value: [...truths(text), ...lists(text)].find(takes) ?? text };
  const stands = found[1];
  const value = Number(text.replace(',', '.'));
  if (!takes(value) && [...truths(text), ...lists(text)].some(takes))
    return { value: truths(text).find(takes) ?? lists(text).find(takes) };
  if (stands === ',' && isDoubtful(text) && mark !== ',')
    return {
      problem: `${key} is ${JSON.stringify(text)}: a thousand, or a number with decimals? write ${text.replace(',', '')} or ${text.replace(',', '.')}0`,
    };
  if (stands === '.' && mark === ',')
    return {
      problem: `${key} is ${JSON.stringify(text)}, while other numbers of this sheet have a decimal comma; write all of them in one way`,
    };
  return { value };
}

/** The text, and what some programs write for it where that is beyond doubt. */
function wordsOf(key: string, text: string): string[] {
  const word = text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (key === 'table') return [text, tableWords[word] ?? text];
  if (key === 'type') return [text, typeWords[word] ?? word];
  if (key === 'byteOrder') return [text, text.toUpperCase().replaceAll(/[^A-Z]/g, '')];
  if (key === 'kind' || key === 'report') return [text, word];
  return [text];
}

const tableWords: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    coil: 'coils 1 01 fc1 fc01 0x 0xxxx',
    discrete: 'discreteinput discreteinputs 2 02 fc2 fc02 1x 1xxxx',
    holding: 'holdingregister holdingregisters 3 03 fc3 fc03 4x 4xxxx hr',
    input: 'inputregister inputregisters 4 04 fc4 fc04 3x 3xxxx ir',
  }).flatMap(([table, words]) => [table, ...words.split(' ')].map((word) => [word, table])),
);

const typeWords: Readonly<Record<string, string>> = {
  float: 'float32',
  real: 'float32',
  double: 'float64',
  lreal: 'float64',
  s16: 'int16',
  u16: 'uint16',
  s32: 'int32',
  u32: 'uint32',
  s64: 'int64',
  u64: 'uint64',
};

function truths(text: string): boolean[] {
  if (/^(?:true|yes|y|x|1)$/i.test(text)) return [true];
  return /^(?:false|no|n|0)$/i.test(text) ? [false] : [];
}

/** `0=off; 1=on`, and `ct, vt`. */
function lists(text: string): unknown[] {
  const items = text
    .split(/[;,|]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
  const pairs = items.map((item) => item.split(/[=:]/).map((part) => part.trim()));
  return [...(pairs.every((pair) => pair.length === 2) ? [Object.fromEntries(pairs) as unknown] : []), items];
}
