import { readFileSync } from 'node:fs';
import { driverFor } from '../../drivers/registry.ts';
import { why } from '../config/secrets.ts';
import { SluiceError, UsageError } from '../errors.ts';
import { sheetOf, textOf } from '../import/csv.ts';
import { importPoints } from '../import/points.ts';
import type { ForDevice, Imported, SheetProblem } from '../import/points.ts';
import { template } from '../import/template.ts';
import type { Command, CommandArgs } from './command.ts';
import { numberOf } from './parse.ts';
import { counted } from './printing.ts';

export const importCsv: Command = {
  name: 'import',
  about: `Makes points of a spreadsheet saved as CSV, ready to paste into a configuration. The first row names the columns by the keys of a point;
the usual other names are understood. Every bad cell is named, all at once; then no points are printed.`,
  arguments: [{ name: 'FILE', about: 'a CSV file; - is standard input' }],
  options: {
    template: { about: 'prints a sheet to begin with' },
    device: { value: 'ID', about: 'prints a whole device of this name; with --connection and --unit-id' },
    connection: { value: 'NAME', about: "the device's connection" },
    'unit-id': { value: 'N', about: "the device's unit" },
    json: { about: 'one JSON value: {"ok", "problems", "points"}' },
  },
  notes: `Separators , ; and tabs, quotes, decimal commas, Excel's encodings and its sep= line are understood.
Of a column that is no key of a point is said that it is left out. A label's column is called labels.NAME.`,
  examples: [
    { line: 'sluice import --template > points.csv', about: 'fill it in, in any spreadsheet' },
    { line: 'sluice import points.csv', about: 'the list for "points"' },
    {
      line: 'sluice import points.csv --device EM-104 --connection panel --unit-id 1',
      about: 'a device for "devices"',
    },
  ],
  exits: { 0: 'fine', 1: 'the sheet has problems' },

  run(args, { stdout, stderr }) {
    const { values, positionals } = args;
    if (values['template'] === true) {
      stdout.write(template);
      return Promise.resolve(0);
    }
    const [file] = positionals;
    if (file === undefined) throw new UsageError('import needs FILE, or --template; see sluice import --help');
    const device = deviceOf(args);
    const { schema } = driverFor('modbus-tcp') ?? {};
    if (schema === undefined) throw new TypeError('no driver reads registers');
    const imported = importPoints(
      sheetOf(textOf(bytesOf(file))),
      schema,
      device ?? { id: 'device', connection: 'connection', unitId: 1 },
    );
    const isFine = imported.problems.every(({ severity }) => severity === 'warning');
    if (values['json'] === true) {
      stdout.write(
        `${JSON.stringify({ ok: isFine, problems: imported.problems, points: isFine ? imported.points : [] })}\n`,
      );
      return Promise.resolve(isFine ? 0 : 1);
    }
    for (const problem of imported.problems) stderr.write(`${textOfProblem(file, problem)}\n`);
    if (isFine) stdout.write(device === null ? listText(imported, '') : deviceText(imported, device));
    else
      stderr.write(
        `${file}: ${counted(imported.problems.filter(({ severity }) => severity === 'error').length, 'problem')}; no points were made\n`,
      );
    return Promise.resolve(isFine ? 0 : 1);
  },
};

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new SluiceError('NO_SHEET', `${file} ${why(error)}; name another: sluice import FILE.csv`);
  }
}

function deviceOf(args: CommandArgs): ForDevice | null {
  const { device: id, connection } = args.values;
  const unitId = numberOf(args, 'unit-id', 0, 255);
  const stated = [id, connection, unitId].filter((each) => each !== undefined);
  if (stated.length === 0) return null;
  if (typeof id !== 'string' || typeof connection !== 'string' || unitId === undefined)
    throw new UsageError(
      '--device, --connection and --unit-id belong together; state all three, or none for the points alone',
    );
  for (const [name, value] of Object.entries({ device: id, connection }))
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(value))
      throw new UsageError(
        `--${name} is ${JSON.stringify(value)}; allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -`,
      );
  return { id, connection, unitId };
}

/** `points.csv:7 D "address": address is 70000; allowed: 0…65535` */
function textOfProblem(file: string, { severity, line, column, header, message }: SheetProblem): string {
  const cell = column === null ? '' : ` ${column}${header === null ? '' : ` ${JSON.stringify(header)}`}`;
  return `${file}:${line}${cell}: ${severity === 'warning' ? 'warning: ' : ''}${message}`;
}

function listText({ points }: Imported, indent: string): string {
  return `[\n${points.map((point) => `${indent}  ${pointText(point)}`).join(',\n')}\n${indent}]${indent === '' ? '\n' : ''}`;
}

function pointText(point: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(point).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{ ${pairs.join(', ')} }`;
}

function deviceText(imported: Imported, { id, connection, unitId }: ForDevice): string {
  const head = `{ "id": ${JSON.stringify(id)}, "connection": ${JSON.stringify(connection)}, "unitId": ${unitId}`;
  return `${head},\n  "points": ${listText(imported, '  ')} }\n`;
}
