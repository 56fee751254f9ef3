/** Tables as spreadsheets save them: RFC 4180, any of the usual separators, any encoding that Excel writes. */

export interface Cell {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** From 0. */
  readonly column: number;
}

export interface Sheet {
  readonly separator: string;
  /** Rows that hold anything. */
  readonly rows: readonly (readonly Cell[])[];
  readonly faults: readonly { readonly cell: Cell; readonly message: string }[];
}

export const separators = [',', ';', '\t'] as const;

/** UTF-8, UTF-16 ("Unicode text"), and what is neither as Windows-1252, in which ³ and ° are one byte. */
export function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The separator is that of Excel's own `sep=` line, or the one that stands most often in the first line. */
export function sheetOf(text: string): Sheet {
  const stated = /^sep=([,;\t])\r?\n/i.exec(text);
  const separator = stated?.[1] ?? likeliest(text);
  const from = stated?.[0].length ?? 0;
  return { separator, ...cellsOf(text, from, separator) };
}

function likeliest(text: string): string {
  const first = (/^\s*(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(text)?.[0] ?? '').replaceAll(/"(?:[^"]|"")*"/g, '');
  const counts = separators.map((separator) => first.split(separator).length);
  return separators[counts.indexOf(Math.max(...counts))] ?? ',';
}

/** One cell, quoted or not, and what ends it: a separator, a line's end, or the end of the text. */
function cellsOf(text: string, from: number, separator: string): Pick<Sheet, 'rows' | 'faults'> {
  const rows: Cell[][] = [];
  const faults: { cell: Cell; message: string }[] = [];
  let row: Cell[] = [];
  let line = text.slice(0, from).split('\n').length;
  let at = from;
  const form = new RegExp(
    `(?:"((?:[^"]|"")*)"|([^"${separator}\\r\\n]*))([^${separator}\\r\\n]*)(${separator}|\\r\\n|\\n|\\r|$)`,
    'y',
  );
  while (at < text.length) {
    form.lastIndex = at;
    const [all = '', quoted, plain = '', rest = '', end = ''] = form.exec(text) ?? [];
    const isOpen = quoted === undefined && plain.trim() === '' && rest.startsWith('"');
    const cell = { text: quoted?.replaceAll('""', '"') ?? plain + rest, line, column: row.length };
    if (isOpen) {
      faults.push({ cell, message: 'a quote opens here and never closes; everything behind it was not read' });
      break;
    }
    if (quoted !== undefined && rest.trim() !== '')
      faults.push({
        cell,
        message: `${JSON.stringify(rest)} stands behind the closing quote; a quote inside a cell is written twice`,
      });
    row.push(cell);
    line += all.split(/\r\n|\n|\r/).length - 1;
    at = form.lastIndex;
    if (end === separator && at < text.length) continue;
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return { rows: rows.filter((cells) => cells.some((cell) => cell.text.trim() !== '')), faults };
}
