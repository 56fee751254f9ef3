import type { Fault } from './faults.ts';
import type { Token } from './tokens.ts';

/** What is put in place of a slip, so that the rest of the file can be looked at. */
export interface Edit {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

export interface Slip extends Fault {
  readonly edits: readonly Edit[];
  /** Right whatever the brackets around it are. */
  readonly isPlain: boolean;
}

const bareText = 'a text stands in double quotes; without them stand only numbers, true, false and null';
const wrongQuotes = 'these quotes cannot stand here; write straight double quotes: "';

/** What people write who mean JSON: told at its place, and what they meant. Where that is not plain, nothing: the parser will speak. */
export function slipsOf(text: string, tokens: readonly Token[]): Slip[] {
  const slips: Slip[] = [];
  const add = (token: Token, message: string, inserted: string | readonly Edit[], more: Partial<Slip> = {}): void => {
    const edits = typeof inserted === 'string' ? [replace(token, inserted)] : inserted;
    slips.push({ offset: token.offset, message, edits, isPlain: false, ...more });
  };
  const visible = tokens.filter((token) => token.kind !== 'hidden' && token.kind !== 'hash');
  for (const token of tokens) {
    if (token.kind === 'hidden')
      add(token, hidden(text, token), ' '.repeat(token.end - token.offset), { isPlain: true });
    if (token.kind === 'hash') add(token, 'a comment begins with //, not #', ' ', { isPlain: true });
    if (token.kind === 'quoted') add(token, quotesMessage(text, token), requoted(text, token), { isPlain: true });
    if (token.kind === 'text') slips.push(...insideText(text, token));
  }
  const inside: ('{' | '[')[] = [];
  let wants: 'key' | 'colon' | 'value' | 'comma' = 'value';
  for (let index = 0; index < visible.length; index++) {
    const token = visible[index] as Token;
    const next = visible[index + 1];
    const { kind } = token;
    const isKey = next?.kind === ':' || next?.kind === '=';
    if (kind === '}' || kind === ']') {
      inside.pop();
      wants = 'comma';
    } else if (wants === 'comma' && kind === ';') {
      add(token, 'a comma belongs here, not ;', ',', { isPlain: true });
      wants = after(inside);
    } else if (wants === 'comma' && kind === ',') {
      const decimals = inside.at(-1) === '{' ? decimalsOf(text, visible, index) : undefined;
      if (decimals === undefined) wants = after(inside);
      else {
        add(visible[index - 1] as Token, 'a number has a decimal point, no comma', [replace(token, '.')]);
        index++;
      }
    } else if (kind === ',' && visible[index - 1]?.kind === ',') {
      add(token, 'there is one comma too many', ' ', { isPlain: true });
    } else if (wants === 'colon') {
      if (kind === '=') add(token, 'a colon belongs here, not =', ':', { isPlain: true });
      if (kind === ':' || kind === '=') wants = 'value';
    } else {
      // A missing comma is the parser's to tell; what follows is read as if it stood there.
      if (wants === 'comma') wants = after(inside);
      if (wants === 'key' && kind === 'bare' && isKey) add(token, 'a key stands in double quotes', quoted(text, token));
      if (wants === 'value' && kind === 'bare') tellBare(text, token, add);
      if (kind === '{' || kind === '[') inside.push(kind);
      wants = kind === '{' ? 'key' : kind === '[' ? 'value' : wants === 'key' ? 'colon' : 'comma';
    }
  }
  return slips;
}

const after = (inside: readonly string[]): 'key' | 'value' => (inside.at(-1) === '{' ? 'key' : 'value');
const replace = ({ offset, end }: Token, text: string): Edit => ({ offset, length: end - offset, text });
const quoted = (text: string, { offset, end }: Token): string => JSON.stringify(text.slice(offset, end));

/** The digits after a comma: `"scale": 0,1`. Between two keys nothing else can be meant. */
function decimalsOf(text: string, tokens: readonly Token[], comma: number): Token | undefined {
  const [before, here, digits, next] = tokens.slice(comma - 1, comma + 3);
  const isOne = before?.kind === 'number' && before.end === here?.offset && here.end === digits?.offset;
  const isPlain = digits !== undefined && /^\d+$/.test(text.slice(digits.offset, digits.end)) && next?.kind !== ':';
  return isOne && isPlain && /^-?\d+$/.test(text.slice(before.offset, before.end)) ? digits : undefined;
}

const words: Readonly<Record<string, string>> = { true: 'true', false: 'false', null: 'null' };

function tellBare(
  text: string,
  token: Token,
  add: (token: Token, message: string, inserted: string, more?: Partial<Slip>) => void,
): void {
  const value = text.slice(token.offset, token.end);
  const word = Object.hasOwn(words, value.toLowerCase()) ? words[value.toLowerCase()] : undefined;
  if (word !== undefined) add(token, `${word} is written in small letters`, word);
  else if (/^[-+]?(?:NaN|Inf(?:inity)?)$/i.test(value))
    add(token, 'this is no number; allowed: digits', 'null', { isTold: true });
  else if (/^(?:None|nil|undefined)$/i.test(value))
    add(token, 'this is no value; leave the key out', 'null', { isTold: true });
  else if (/^[-+]?0x[0-9a-f]+$/i.test(value))
    add(token, 'hex stands in double quotes, e.g. "0x0BD3"', quoted(text, token));
  else if (/^\+\d/.test(value)) add(token, 'a number has no + in front', value.slice(1));
  else if (/^-?0\d+(?:\.\d+)?$/.test(value))
    add(token, 'a number has no leading zeros', value.replace(/^(-?)0+(?=\d)/, '$1'));
  else if (/^-?\.\d+$/.test(value)) add(token, 'a number has digits before its point: 0.5', value.replace('.', '0.'));
  else if (/^-?\d+\.$/.test(value)) add(token, 'a number has digits after its point, or no point', value.slice(0, -1));
  else if (/^-?\d{1,3}(?:_\d{3})+$/.test(value))
    add(token, 'a number has no _ between its digits', value.replaceAll('_', ''));
  else add(token, bareText, quoted(text, token));
}

function quotesMessage(text: string, { offset, end }: Token): string {
  const [first = '', last = ''] = [text[offset], text[end - 1]];
  const isCurly = /[^'"`]/.test(first + last);
  return isCurly
    ? `curly ${wrongQuotes.slice('these '.length)}`
    : `${first === '`' ? 'back' : 'single '}${wrongQuotes.slice('these '.length)}`;
}

function requoted(text: string, { offset, end }: Token): string {
  const inner = text.slice(offset + 1, end - 1);
  return `"${inner.replaceAll(/\\?"/g, '\\"')}"`;
}

const invisible: Readonly<Record<string, string>> = {
  A0: 'no-break space',
  AD: 'soft hyphen',
  '200B': 'zero-width space',
  '200C': 'zero-width non-joiner',
  '200D': 'zero-width joiner',
  '202F': 'narrow no-break space',
  '2060': 'word joiner',
  '3000': 'ideographic space',
  FEFF: 'byte order mark',
};

function hidden(text: string, { offset }: Token): string {
  const code = (text.codePointAt(offset) ?? 0).toString(16).toUpperCase();
  const name = Object.hasOwn(invisible, code) ? `, ${invisible[code]}` : '';
  return `a character that no editor shows stands here (U+${code.padStart(4, '0')}${name}); delete it, or write a plain space`;
}

function insideText(text: string, { offset, end }: Token): Slip[] {
  const inner = text.slice(offset, end);
  const slip = (at: number, message: string, inserted: string): Slip => ({
    offset: offset + at,
    message,
    edits: [{ offset: offset + at, length: 1, text: inserted }],
    isPlain: true,
  });
  // Escapes one after the other: the second half of \\ begins none.
  const escapes = [...inner.matchAll(/\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|\\/g)].filter(([found]) => found.length === 1);
  return [
    ...[...inner.matchAll(/\p{Cc}/gu)].map(({ 0: found, index }) =>
      slip(
        index,
        found === '\t'
          ? 'a tab cannot stand in a text; write \\t or a space'
          : 'a control character cannot stand in a text',
        ' ',
      ),
    ),
    ...escapes.map(({ index }) =>
      slip(index, 'a single \\ cannot stand here; write \\\\ for the character itself', '\\\\'),
    ),
  ];
}
