import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../support/command-line.ts';

const names = readdirSync('drivers/modbus/profiles')
  .filter((file) => file.endsWith('.json'))
  .map((file) => basename(file, '.json'))
  .toSorted();

async function listed(...words: string[]): Promise<string[]> {
  const { code, stdout } = await run('profiles', ...words, '--json');
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
}

describe('sluice profiles', () => {
  it('lists every built-in profile, as text and as JSON', async () => {
    expect(await listed()).toEqual(names);
    const { code, stdout } = await run('profiles');
    expect(code).toBe(0);
    const [, ...lines] = stdout.trimEnd().split('\n');
    expect(lines.slice(0, -1).map((line) => line.split(' ')[0])).toEqual(names);
    expect(lines.at(-1)).toBe(`${names.length} profiles; all points of one: sluice profiles NAME`);
  });

  it('looks for parts of names, makers and models, whatever their case', async () => {
    expect(await listed('SDM')).toEqual(names.filter((name) => name.startsWith('eastron-sdm')));
    expect(await listed('saia burgess')).toEqual(names.filter((name) => name.startsWith('saia-')));
  });

  it('looks for quantities and OBIS codes among the points, and names those', async () => {
    const { stdout } = await run('profiles', 'volume');
    expect(stdout).toMatch(/^tuf-2000 +OEM .* volume_forward_total, volume_reverse_total$/m);
    expect(stdout).not.toContain('eastron');
    expect(await listed('energy_export siemens')).toEqual(['siemens-pac2200']);
    expect(await listed('1-0:21.8.0')).toContain('abb-a43-a44');
    expect(await listed('water')).toEqual(['badger-m2000', 'krohne-ifc300', 'siemens-mag6000']);
  });

  it('shows what the manual counts and how requests are limited, and examples of words with their values', async () => {
    const { stdout } = await run('profiles', 'saia-awd3');
    expect(stdout).toMatch(/^requests +maxRegisters 20, maxGap 3$/m);
    expect(stdout).toMatch(/^energy_import_t1 .*holding 27 \(40028, 400028\) +0x001B +uint32 ABCD +x 0\.1 /m);
    expect(stdout).toMatch(/^holding 27 +000d ebdf +the manual, page 4: .* +energy_import_t1 91235\.1$/m);
    expect((await run('profiles', 'abb-a43-a44')).stdout).toMatch(
      /^holding 23314 +ffff ffff 7fff ffff +.* power no value$/m,
    );
  });

  it('shows one with its manual, its points and where they are', async () => {
    const { code, stdout } = await run('profiles', 'eastron-sdm630');
    expect(code).toBe(0);
    expect(stdout).toContain('SDM630Modbus Smart Meter Modbus Protocol Implementation V1.8');
    expect(stdout).toMatch(
      /^energy_import_total +counter +kW\.h +input 72 \(30073, 300073\) +0x0048 +float32 ABCD +1-0:1\.8\.0$/m,
    );
    const { stdout: json } = await run('profiles', 'eastron-sdm630', '--json');
    expect(JSON.parse(json)).toMatchObject({
      name: 'eastron-sdm630',
      manufacturer: 'Eastron',
      builtIn: true,
      points: expect.arrayContaining([
        expect.objectContaining({
          name: 'energy_import_total',
          kind: 'counter',
          unit: 'kW.h',
          registers: expect.objectContaining({ table: 'input', address: 72, type: 'float32', byteOrder: 'ABCD' }),
        }),
      ]),
    });
  });

  it('says what the number in the registers is multiplied with', async () => {
    expect((await run('profiles', 'siemens-mag6000')).stdout).toMatch(/^flow .* float32 ABCD +x 3600$/m);
    const { stdout } = await run('profiles', 'solaredge-meter');
    expect(stdout).toMatch(/^energy_import_total .* uint32 ABCD +x 0\.001 x 10\^energy_sf +1-0:1\.8\.0$/m);
    expect(stdout).toMatch(/^energy_sf .* int16 ABCD$/m);
  });

  it('asks back where there is none like that', async () => {
    expect(await run('profiles', 'eastrn-sdm630')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('did you mean `eastron-sdm630`?'),
    });
  });
});
