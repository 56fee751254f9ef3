import type * as v from 'valibot';
import type { DriverSchema } from '../../drivers/driver.ts';
import { readConfig } from '../config/load.ts';
import { pointEntries } from '../config/schema.ts';
import { decimalMark, tidy, valueOf } from './cells.ts';
import { columnsOf, letterOf } from './columns.ts';
import type { Column } from './columns.ts';
import type { Cell, Sheet } from './csv.ts';

/** Something wrong with a sheet, or to be looked at. */
export interface SheetProblem {
  readonly severity: 'error' | 'warning';
  readonly line: number;
  /** As the spreadsheet names it: `D`; null: the whole row. */
  readonly column: string | null;
  readonly header: string | null;
  readonly value: string | null;
  readonly message: string;
}

export interface ForDevice {
  readonly id: string;
  readonly connection: string;
  readonly unitId: number;
}

export interface Imported {
  readonly problems: readonly SheetProblem[];
  /** In the order of the rows; of no use while any problem is an error. */
  readonly points: readonly Readonly<Record<string, unknown>>[];
}

/** Points from a sheet whose first row names the columns. Everything that is wrong is told at once, by the grammar of the configuration. */
export function importPoints(sheet: Sheet, schema: DriverSchema, device: ForDevice): Imported {
  const [head = [], ...rows] = sheet.rows;
  const entries: v.ObjectEntries = pointEntries(schema);
  const columns = columnsOf(
    head.map(({ text }) => tidy(text)),
    Object.keys(entries),
  );
  const problems: SheetProblem[] = [
    ...sheet.faults.map(({ cell, message }) => problemAt(cell, columns, message)),
    ...headProblems(head, columns, sheet.separator),
  ];
  if (rows.length === 0)
    problems.push(
      problemAt({ text: '', line: head[0]?.line ?? 1, column: 0 }, [], 'there are no rows behind the header'),
    );
  const numbers = rows.flatMap((row) =>
    row.filter(({ column }) => isNumeric(columns[column], entries)).map(({ text }) => tidy(text)),
  );
  const mark = decimalMark(numbers);
  let idleLength: Cell | undefined;
  const points = rows.map((row): Row => {
    const cells = row.filter(({ text }) => tidy(text) !== '');
    const beyond = cells.find(({ column }) => column >= columns.length);
    if (beyond !== undefined)
      problems.push(
        problemAt(
          beyond,
          columns,
          `this row has more cells than the header; a ${JSON.stringify(sheet.separator)} inside a cell needs quotes around the cell`,
        ),
      );
    const keyed = cells.flatMap((cell): Keyed[] => {
      const key = keyOf(columns, cell.column);
      if (key === null) return [];
      const read = valueOf(key, tidy(cell.text), entries[key], mark);
      if ('value' in read) return [{ key, cell, value: read.value }];
      problems.push(problemAt(cell, columns, read.problem));
      return [];
    });
    const isString = keyed.some(({ key, value }) => key === 'type' && value === 'string');
    const idle = isString ? undefined : keyed.find(({ key }) => key === 'length');
    idleLength ??= idle?.cell;
    return { line: row[0]?.line ?? 0, keyed: keyed.filter((one) => one !== idle) };
  });
  if (idleLength !== undefined)
    problems.push({ ...problemAt(idleLength, columns, lengthOfNumber), severity: 'warning' });
  // Without its column every row would be said to lack it.
  if (missingOf(columns).length === 0) problems.push(...checked(points, columns, device, problems));
  return { problems: problems.toSorted(inOrder), points: points.map(pointOf) };
}

/** Manuals print it for every value. */
const lengthOfNumber =
  'only a string has a length, the type of a number says how many registers it takes; left out, here and in such rows below';

/** A mistyped header is told, and its cells are looked at as those that were meant; a column that stands twice is told, and looked at once. */
function keyOf(columns: readonly Column[], at: number): string | null {
  const { key = null, meant = null } = columns[at] ?? {};
  const wanted = key ?? meant;
  const isFirst = columns.findIndex((other) => (other.key ?? other.meant) === wanted) === at;
  return isFirst ? wanted : null;
}

function missingOf(columns: readonly Column[]): string[] {
  const has = (key: string): boolean => columns.some((column) => (column.key ?? column.meant) === key);
  return ['name', ...(has('reference') ? [] : ['address'])].filter((key) => !has(key));
}

/** Row by row, column by column; what is said of a whole row comes first. */
function inOrder(a: SheetProblem, b: SheetProblem): number {
  const place = ({ column }: SheetProblem): string => (column ?? '').padStart(3);
  return a.line - b.line || (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0);
}

interface Keyed {
  readonly key: string;
  readonly cell: Cell;
  readonly value: unknown;
}

interface Row {
  readonly line: number;
  readonly keyed: readonly Keyed[];
}

function pointOf({ keyed }: Row): Record<string, unknown> {
  const plain = keyed.filter(({ key }) => !key.startsWith('labels.'));
  const labels = keyed.filter(({ key }) => key.startsWith('labels.'));
  return {
    ...Object.fromEntries(plain.map(({ key, value }) => [key, value])),
    ...(labels.length === 0
      ? {}
      : { labels: Object.fromEntries(labels.map(({ key, value }) => [key.slice(7), String(value)])) }),
  };
}

function isNumeric(column: Column | undefined, entries: v.ObjectEntries): boolean {
  const key = column?.key ?? '';
  return Object.hasOwn(entries, key) && !['name', 'description', 'obis', 'unit', 'reference'].includes(key);
}

function headProblems(head: readonly Cell[], columns: readonly Column[], separator: string): SheetProblem[] {
  const first = new Map<string, Column>();
  const problems = columns.flatMap((column): SheetProblem[] => {
    const cell = head[column.at];
    if (cell === undefined || column.header === '') return [];
    if (column.key === null) {
      const hint = column.meant === null ? '; the column is left out' : `; did you mean \`${column.meant}\`?`;
      const told = problemAt(cell, columns, `${JSON.stringify(column.header)} is no key of a point${hint}`);
      return [{ ...told, severity: column.meant === null ? 'warning' : 'error' }];
    }
    const other = first.get(column.key);
    first.set(column.key, column);
    if (other === undefined) return [];
    return [
      problemAt(
        cell,
        columns,
        `columns ${letterOf(other.at)} and ${letterOf(column.at)} both mean ${column.key}; keep one of them`,
      ),
    ];
  });
  const missing = missingOf(columns);
  if (missing.length === 0 || head.length === 0) return problems;
  const message = `the first row must name the columns, and none is ${missing.join(' or ')} (the separator is ${JSON.stringify(separator)}); see sluice import --template`;
  return [...problems, problemAt({ text: '', line: head[0]?.line ?? 1, column: 0 }, [], message)];
}

/**
 * What `check` says of a device with these points. It is given one cell a line, so that the line of a problem names the cell; what was told
 * already is not told again.
 */
function checked(
  rows: readonly Row[],
  columns: readonly Column[],
  device: ForDevice,
  told: readonly SheetProblem[],
): SheetProblem[] {
  const lines: string[] = [];
  const owners: ({ row: Row; cell: Cell | null } | undefined)[] = [];
  const add = (text: string, owner?: { row: Row; cell: Cell | null }): void => {
    owners[lines.push(text)] = owner;
  };
  const json = JSON.stringify;
  add(
    '{ "version": 1, "gateway": "import", "site": { "id": "import", "timezone": "UTC" }, "stateDir": "/tmp", "uplink": { "file": { "path": "/tmp/import" } },',
  );
  add(`"connections": { ${json(device.connection)}: { "driver": "modbus-tcp", "host": "localhost" } },`);
  add(
    `"devices": [ { "id": ${json(device.id)}, "connection": ${json(device.connection)}, "unitId": ${device.unitId}, "points": [`,
  );
  for (const row of rows) {
    add('{', { row, cell: null });
    for (const { key, cell, value } of row.keyed)
      if (!key.startsWith('labels.')) add(`${json(key)}: ${json(value)},`, { row, cell });
    const label = row.keyed.find(({ key }) => key.startsWith('labels.'));
    if (label !== undefined) add(`"labels": ${json(pointOf(row)['labels'])},`, { row, cell: label.cell });
    add('},', { row, cell: null });
  }
  add('] } ] }');
  const name = 'sheet';
  const place = (line: number): string => {
    const owner = owners[line];
    return owner === undefined ? 'the device' : `line ${owner.cell?.line ?? owner.row.line}`;
  };
  const { problems } = readConfig(name, Buffer.from(lines.join('\n')), { env: {}, noSecrets: true });
  return problems.flatMap(({ file, severity, line, message }): SheetProblem[] => {
    const owner = owners[line];
    if (file !== name || owner === undefined) return [];
    const at = owner.cell ?? { text: '', line: owner.row.line, column: -1 };
    const said = message.replaceAll(/\bsheet:(\d+):\d+/g, (_, other) => place(Number(other)));
    const isTold = told.some((one) => one.severity === 'error' && one.line === at.line && at.column < 0);
    return isTold ? [] : [{ ...problemAt(at, columns, said), severity }];
  });
}

function problemAt({ text, line, column }: Cell, columns: readonly Column[], message: string): SheetProblem {
  const isCell = column >= 0 && text !== '';
  return {
    severity: 'error',
    line,
    column: isCell ? letterOf(column) : null,
    header: isCell ? (columns[column]?.header ?? null) : null,
    value: isCell ? text : null,
    message,
  };
}
