/** A piece of a text that is meant to be JSON, however far it is from it. Together the tokens cover the text, blanks and comments aside. */
export interface Token {
  readonly kind: Kind;
  readonly offset: number;
  readonly end: number;
}

/**
 * `text`: in straight double quotes. `quoted`: in any other quotes. `open`: a text or a comment that does not end. `bare`: everything that
 * stands without quotes and is neither a number nor true, false, null. `hidden`: characters that no editor shows.
 */
type Kind =
  | '{'
  | '}'
  | '['
  | ']'
  | ':'
  | ','
  | ';'
  | '='
  | 'text'
  | 'quoted'
  | 'open'
  | 'number'
  | 'word'
  | 'bare'
  | 'hash'
  | 'hidden';

export const curly = '“”„‟«»″＂';
const odd =
  '\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u00a0\\u00ad\\u1680\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u2064\\u3000\\ufeff';

const blank = /(?:[ \t\r\n]+|\/\/[^\r\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)+/y;
const pieces: readonly (readonly [Kind, RegExp])[] = [
  ['hidden', new RegExp(`[${odd}]+`, 'y')],
  ['hash', /#[^\r\n]*/y],
  ['open', /\/\*[^]*/y],
  ['quoted', new RegExp(`[${curly}][^${curly}"\\r\\n]*[${curly}"]`, 'y')],
  ['quoted', /[‘’‚‛'][^‘’‚‛'\r\n]*[‘’‚‛']/y],
  ['quoted', /`[^`\r\n]*`/y],
  ['open', new RegExp(`[${curly}‘’‚‛'\`][^\\r\\n]*`, 'y')],
  ['number', /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?=[\s{}[\]:,;="#]|\/[/*]|$)/y],
  ['word', /(?:true|false|null)(?=[\s{}[\]:,;="#]|\/[/*]|$)/y],
  ['bare', new RegExp(`[^\\s{}[\\]:,;="#'\`${curly}${odd}]+`, 'y')],
];

/** The text of a file in tokens, in order. Never throws: what is no token of JSON is one of its own kind. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let offset = 0; offset < text.length;) {
    blank.lastIndex = offset;
    offset += blank.exec(text)?.[0].length ?? 0;
    if (offset >= text.length) break;
    const token = tokenAt(text, offset);
    tokens.push(token);
    offset = token.end;
  }
  return tokens;
}

function tokenAt(text: string, offset: number): Token {
  const first = text[offset] ?? '';
  if ('{}[]:,;='.includes(first)) return { kind: first as Kind, offset, end: offset + 1 };
  if (first === '"') return textAt(text, offset);
  for (const [kind, pattern] of pieces) {
    pattern.lastIndex = offset;
    const found = pattern.exec(text)?.[0] ?? '';
    const comment = kind === 'bare' ? found.search(/\/[/*]/) : -1;
    const length = comment > 0 ? comment : found.length;
    if (length > 0) return { kind, offset, end: offset + length };
  }
  return { kind: 'bare', offset, end: offset + 1 };
}

/** A text ends at its quote, at the latest with its line. One that began straight may have been given a curly end. */
function textAt(text: string, offset: number): Token {
  let end = offset + 1;
  while (end < text.length && !'"\r\n'.includes(text[end] ?? ''))
    end += text[end] === '\\' && !/[\r\n]/.test(text[end + 1] ?? '\n') ? 2 : 1;
  const isClosed = text[end] === '"';
  const after = /[^ \t]|$/.exec(text.slice(end + 1, end + 100))?.[0] ?? '';
  if (!isClosed || !':,}];/#"\r\n'.includes(after)) {
    const curlyEnd = new RegExp(`[${curly}](?=\\s*[:,}\\]])`).exec(text.slice(offset, end));
    if (curlyEnd !== null) return { kind: 'quoted', offset, end: offset + curlyEnd.index + 1 };
  }
  return isClosed ? { kind: 'text', offset, end: end + 1 } : { kind: 'open', offset, end: Math.min(end, text.length) };
}
