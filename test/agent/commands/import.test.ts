import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../../agent/config/load.ts';
import { run } from '../../support/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-import-'));
const file = join(folder, 'points.csv');

interface Imported {
  ok: boolean;
  problems: { severity: string; line: number; column: string | null; value: string | null; message: string }[];
  points: Record<string, unknown>[];
}

async function imported(text: string): Promise<Imported> {
  writeFileSync(file, text);
  return JSON.parse((await run('import', file, '--json')).stdout) as Imported;
}

test('the template imports as it stands', async () => {
  const { stdout } = await run('import', '--template');
  const { ok, problems, points } = await imported(stdout);
  expect({ ok, problems }).toEqual({ ok: true, problems: [] });
  expect(points[0]).toMatchObject({ name: 'energy_import', kind: 'counter', address: 0, type: 'uint32', scale: 0.01 });
  expect(points[2]).toMatchObject({ address: '0x0BD3' });
});

test("a sheet as a German Excel saves it, with other programs' names, becomes points", async () => {
  const text =
    '\ufeffTag Name;Units;Function Code;Register;Data Type;Word Order;Factor;Label.Floor;Interval\r\n' +
    'energy;kWh;3;="10";Float;cdab;0,001;2;15m\r\n' +
    'flow;m³/h;04;12;UINT32;;1,5E+01;;\r\n;;;;;;;;\r\n';
  expect(await imported(text)).toMatchObject({
    ok: true,
    points: [
      {
        name: 'energy',
        unit: 'kWh',
        table: 'holding',
        address: 10,
        type: 'float32',
        byteOrder: 'CDAB',
        scale: 0.001,
        labels: { Floor: '2' },
        every: '15m',
      },
      { name: 'flow', unit: 'm³/h', table: 'input', address: 12, type: 'uint32', scale: 15 },
    ],
  });
});

test('the device that import prints is one that check finds right', async () => {
  writeFileSync(file, (await run('import', '--template')).stdout);
  const { code, stdout } = await run('import', file, '--device', 'EM-1', '--connection', 'panel', '--unit-id', '7');
  expect(code).toBe(0);
  const site = `{ "version": 1, "gateway": "g", "stateDir": ${JSON.stringify(folder)},
    "connections": { "panel": { "driver": "modbus-tcp", "host": "localhost" } },
    "devices": [ ${stdout} ], "uplink": { "file": { "path": "out" } } }`;
  const { problems, config } = readConfig(join(folder, 'site.json'), Buffer.from(site), { env: {}, noSecrets: true });
  expect(problems).toEqual([]);
  expect(config?.connections[0]?.devices[0]).toMatchObject({ id: 'EM-1', points: { length: 3 } });
});

test('every bad cell is named with line, column, value and what is allowed, all at once, and no points are made', async () => {
  writeFileSync(
    file,
    'name;address;type;scale;cabinet\nflow 1;70000;int16;1;A\nok;1;int16;1;A\nok;0BD3h;float;abc;B;more\np;;int16;1;\n',
  );
  const { code, stdout, stderr } = await run('import', file);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  const told = stderr
    .replaceAll(file, 'F')
    .split('\n')
    .filter((line) => !line.includes('unit is missing'));
  expect(told).toEqual([
    'F:1 E "cabinet": warning: "cabinet" is no key of a point; the column is left out',
    expect.stringMatching(/^F:2 A "name": .*name is "flow 1"; allowed: 1 to 64/),
    expect.stringMatching(/^F:2 B "address": .*address is 70000; allowed: 0…65535/),
    expect.stringMatching(/^F:4 A "name": .*already used at line 3/),
    expect.stringMatching(/^F:4 B "address": .*"0BD3h"; allowed:.*did you mean "0x0BD3"/),
    expect.stringMatching(/^F:4 D "scale": .*scale is "abc"; allowed: a number/),
    expect.stringMatching(/^F:4 F: this row has more cells than the header/),
    expect.stringMatching(/^F:5: .*address is missing/),
    'F: 7 problems; no points were made',
    '',
  ]);
});

test('a number that may be a thousand or one is asked back for, unless the sheet leaves no doubt', async () => {
  const doubtful = await imported('name;address;unit;scale\na;1;V;1,000\n');
  expect(doubtful).toMatchObject({ ok: false, problems: [{ line: 2, column: 'D', value: '1,000' }] });
  expect(doubtful.problems[0]?.message).toMatch(/a thousand, or .* decimals\? write 1000 or 1.0/);
  expect((await imported('name;address;scale\na;1;1,000\nb;2;0,001\n')).points.map(({ scale }) => scale)).toEqual([
    1, 0.001,
  ]);
  const both = await imported('name;address;unit;scale\na;1;V;0,1\nb;2;V;1.000\n');
  expect(both.problems).toMatchObject([{ line: 3, message: expect.stringContaining('decimal comma') }]);
});

test('how many registers a number takes, which manuals print, is left out and told once; of a string it is its length', async () => {
  const { ok, problems, points } = await imported(
    'name,address,type,quantity,unit\nflow,0,float32,2,m3/h\nlevel,2,float32,2,m\nserial,10,string,8,\n',
  );
  expect(ok).toBe(true);
  expect(points.map((point) => point['length'])).toEqual([undefined, undefined, 8]);
  expect(problems).toMatchObject([
    { severity: 'warning', line: 2, column: 'D', message: expect.stringContaining('only a string has a length') },
  ]);
});

test('bits, states, marks for no value and factors come out of their cells', async () => {
  const { ok, points } = await imported(
    'name,address,unit,bit,enum,invalid,factor from\nleak,0,,3,,,\nmode,1,,,0=off; 1=on,,\nflow,2,m3/h,,,0x8000; ffff,ct\nct,3,1,,,0xFFFF,\n',
  );
  expect({ ok, points }).toMatchObject({
    ok: true,
    points: [
      { name: 'leak', bit: 3 },
      { name: 'mode', enum: { '0': 'off', '1': 'on' } },
      { name: 'flow', invalid: ['0x8000', 'ffff'], factorFrom: ['ct'] },
      { name: 'ct', invalid: '0xFFFF' },
    ],
  });
});

test('four digits that may be hex or a number are asked back for', async () => {
  const { problems } = await imported('name,address,unit,invalid\nflow,0,m,9999\n');
  expect(problems).toMatchObject([{ severity: 'error', column: 'D', value: '9999' }]);
  expect(problems[0]?.message).toBe('invalid is "9999": hex digits, or a number? write 0x9999 or 9999.0');
  expect((await imported('name,address,unit,invalid\nflow,0,m,9999.0\n')).points).toMatchObject([{ invalid: 9999 }]);
});

test('a sheet without the needed columns, a mistyped header and one that stands twice are told', async () => {
  const told = async (text: string) =>
    (await imported(text)).problems
      .filter(({ severity }) => severity === 'error')
      .map(({ line, column, message }) => [line, column, message]);
  expect(await told('point,adress,tag\na,70000,b\n')).toEqual([
    [1, 'B', expect.stringContaining('did you mean `address`?')],
    [1, 'C', expect.stringContaining('columns A and C both mean name')],
    [2, 'B', expect.stringContaining('address is 70000')],
  ]);
  expect(await told('a,b\n1,2\n')).toEqual([[1, null, expect.stringContaining('none is name or address')]]);
  expect((await imported('')).problems[0]?.message).toContain('no rows');
});

test.each([
  [['import'], 'needs FILE'],
  [['import', file, '--device', 'x'], 'belong together'],
  [['import', file, '--device', 'a b', '--connection', 'c', '--unit-id', '1'], '--device is "a b"'],
])('%j is refused', async (args, said) => {
  expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
});

test('a file that is not there is told', async () => {
  expect(await run('import', join(folder, 'none.csv'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('none.csv'),
  });
});
