import { globSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { getLocation, parseTree, type ParseError } from 'jsonc-parser';
import type * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../agent/config/load.ts';
import { problemText, type Problem } from '../../../agent/config/problems.ts';
import {
  connectionEntries,
  deviceEntries,
  fileEntries,
  pointEntries,
  profileEntries,
} from '../../../agent/config/schema.ts';
import { pathText } from '../../../agent/config/source.ts';
import { publishedSchema } from '../../../agent/schemas/published.ts';
import type { DriverSchema } from '../../../drivers/driver.ts';
import { registry } from '../../../drivers/registry.ts';
import { editor, type Finding } from '../../support/editor.ts';

const folder = resolve('test/cases/config');
const vscode = editor(JSON.parse(publishedSchema('config')));
const profiles = editor(JSON.parse(publishedSchema('profile')));

/** What `check` tells and JSON Schema cannot say. An entry that an editor does find, or that no case needs, must go. */
const beyond: readonly { readonly told: RegExp; readonly why: string }[] = [
  { told: /; that file does not exist/, why: 'needs the file system' },
  { told: /password is missing; the (?:file|path|environment variable) /, why: 'needs the machine' },
  { told: /this character is not UTF-8/, why: 'an editor shows text, however it was stored' },
  { told: /^the file is empty/, why: 'an empty file is nothing to an editor' },
  { told: /^this (?:whole )?number (?:is too large|has more digits)/, why: 'JSON knows no largest number' },
  { told: /; there is none of that name;/, why: 'names that refer to names elsewhere' },
  { told: /; already used at /, why: 'equal values in a list of objects' },
  { told: /like ".*" (?:at .* )?but for case/, why: 'equal values in a list of objects' },
  { told: /no points; allowed: points of its own/, why: 'depends on the profile' },
  { told: /address is missing \(or reference\)/, why: 'depends on the profile' },
  { told: /address and reference exclude each other/, why: 'depends on the profile' },
  { told: /; allowed with addressBase/, why: 'a contradiction between keys of several objects' },
  { told: /eight letters for 64 bits; allowed for/, why: 'a contradiction between keys of several objects' },
  { told: /; put the devices on one connection/, why: 'equal values in objects of other names' },
  { told: /allowed on a serial line: 1…247/, why: 'depends on the connection' },
  { told: /^point "\w+": (?:scale|factor)From names "/, why: 'names that refer to names elsewhere' },
  { told: /; its (?:bit|length) is missing/, why: 'depends on the table and the profile' },
  {
    told: /: leave out (?:type|bit|byteOrder|kind)$|; leave out \w+$/,
    why: 'a contradiction between keys of several objects',
  },
  { told: /; only a string has a length/, why: 'a contradiction between keys' },
  {
    told: /; (?:a bit|an enum) is no total|a sum is a number|bit is a number|; enum names whole numbers/,
    why: 'a contradiction between keys',
  },
  {
    told: /^point "\w+": (?:sum\[\d\]: )?invalid is .*; (?:allowed for a bit|allowed for a string|\w+ (?:takes|has|gives) )/,
    why: 'depends on the type',
  },
  {
    told: /; (?:string takes|sum reaches over) \d+ and is never split/,
    why: 'a contradiction between keys of several objects',
  },
  { told: /; string takes 2 registers and would run past/, why: 'a contradiction between keys' },
  {
    told: /^point "\w+": sum (?:and|has)|sum\[\d\]: (?!invalid)/,
    why: 'a contradiction between keys of several objects',
  },
  { told: /longer than every beside it/, why: 'a comparison of two keys' },
  { told: /is compacted and would delete the records of/, why: 'a comparison of two keys' },
  { told: /maxSize is "999KB"/, why: 'a bound on a number with a unit' },
  { told: /every is "(?:[\d.]+(?:ms|s|m|h|d))"; allowed/, why: 'a bound on a number with a unit' },
  { told: /within is "[\d.]+(?:ms|s|m|h|d)"; allowed/, why: 'a bound on a number with a unit' },
  { told: /; (?:every is under 1h here|no point of this device has)/, why: 'a contradiction between keys' },
  { told: /; from 1h on readings follow the local time/, why: 'a contradiction between keys' },
  {
    told: /; (?:a counter (?:is sent at each|that may fall)|for (?:counters|gauges) only, this is|it stands beside|a serial number is read|a counter is no serial|point "serial" is that already)/,
    why: 'depends on the kind',
  },
  { told: /; (?:float32|uint16|uint32) (?:is a number|takes 2 registers)/, why: 'a contradiction between keys' },
  { told: /address is .*; allowed with addressBase/, why: 'a contradiction between keys of several objects' },
  {
    told: /reference "\d+" names an? /,
    why: 'a contradiction between keys of several objects',
  },
  { told: /reference is "4\d+"; allowed: "4/, why: 'a bound on digits' },
  { told: /; allowed: min up to max/, why: 'a comparison of two keys' },
  { told: /; shorter than every/, why: 'a comparison of two keys' },
  { told: / cannot be made: | is a folder; allowed/, why: 'needs the file system' },
  { told: /; that file holds no /, why: 'needs the file system' },
  {
    told: /; (?:~ is|variables are) not expanded here|; this is a (?:URL|path of Windows)/,
    why: 'any text may be a path',
  },
  { told: /no name of an environment variable/, why: 'it may be on another machine' },
  { told: /host is "::ffff:/, why: 'all of an IPv6 address is more than a pattern' },
  { told: /timezone is "Europe\/Madird"/, why: 'the time zone database' },
  {
    told: /nodeId is ".*"; allowed|endpoint is "http.*"; allowed|browsePath is ".*"; allowed/,
    why: 'more than a pattern',
  },
  { told: /nodeId is missing; add|browsePath stands beside nodeId/, why: 'depends on the profile' },
  { told: / is for (?:subscribed points|points that are read at their times)/, why: 'depends on the kind' },
  { told: /"(?:addressBase|address|reference)" is no key here;/, why: 'depends on the connection' },
  { told: /publishingInterval is "10ms"; allowed/, why: 'a bound on a number with a unit' },
  { told: /; it needs "securityMode"|; "securityMode": "\w+" needs another/, why: 'a contradiction between keys' },
  { told: /username has no password beside it/, why: 'a contradiction between keys' },
  {
    told: /password may go over the network unencrypted|allowUnencryptedPassword (?:is true; with|has no username)/,
    why: 'a contradiction between keys',
  },
];

const reasonFor = ({ message }: Problem) => beyond.find(({ told }) => told.test(message));
const standsAt = (problem: Problem, found: Finding): boolean =>
  found.line === problem.line && found.column === problem.column;

/** An editor stops where JSON ends; `check` goes on behind slips whose meaning is plain. */
function isJson(text: string): boolean {
  const faults: ParseError[] = [];
  parseTree(text, faults, { allowTrailingComma: true, allowEmptyContent: true });
  return faults.length === 0;
}

/** In the same line, or about the same object of the file; what the syntax lacks may be missed at any place. */
function isNear(problem: Problem, found: Finding, text: string): boolean {
  const { path } = getLocation(text, found.offset);
  const holder = path.slice(
    0,
    path.findLastIndex((step) => typeof step === 'string'),
  );
  return found.line === problem.line || [path, holder].some((each) => pathText(each) === problem.path);
}

/** Every case file, and the profiles in files of their own beside some. */
const cases = readdirSync(folder).flatMap((name) => {
  const profileFolder = join(folder, name, 'profiles');
  const { problems } = loadConfig(join(folder, name, 'sluice.json'), { env: { SLUICE_CASE_EMPTY: '' }, profileFolder });
  const files = ['sluice.json', ...globSync('profiles/*.json', { cwd: join(folder, name) })];
  return files.map((file) => {
    const own = problems.filter((problem) => problem.file === join(folder, name, file));
    return {
      name: `${name}/${file}`,
      text: readFileSync(join(folder, name, file), 'utf8').replace(/^\uFEFF/, ''),
      errors: own.filter(({ severity }) => severity === 'error'),
      // What is wrong in a profile that nobody uses is only a warning.
      mayBeWrong: file !== 'sluice.json' && own.length > 0,
      opened: file === 'sluice.json' ? vscode : profiles,
    };
  });
});

const site = (over: { connection?: string; device?: string; point?: string; top?: string }): string => `{
  ${over.top ?? ''}
  "connections": { "panel": { "driver": "modbus-tcp", ${over.connection ?? ''} } },
  "devices": [ { "id": "EM-104", ${over.device ?? ''} "points": [ { "name": "flow", ${over.point ?? ''} } ] } ]
}`;

/** Keys that the schema takes at a level, with those that it refuses as of a later version. */
function keysOf(entries: v.ObjectEntries): { taken: string[]; later: string[] } {
  const isLater = (key: string): boolean => (entries[key] as { wrapped?: v.GenericSchema }).wrapped?.type === 'never';
  const keys = Object.keys(entries);
  return { taken: keys.filter((key) => !isLater(key)), later: keys.filter(isLater) };
}

const modbus = registry.families[0]?.schema as DriverSchema;
/** A schema cannot tell which connection a device is behind: it offers the keys of all families. */
const ofAll = (entries: (schema: DriverSchema) => v.ObjectEntries): v.ObjectEntries =>
  Object.assign({}, ...registry.families.map(({ schema }) => entries(schema)));

describe('an editor with the published schema', () => {
  it.each(cases)('agrees with check about $name', async ({ text, errors, mayBeWrong, opened }) => {
    const found = await opened.findings(text);
    if (errors.length === 0 && mayBeWrong) return;
    if (errors.length === 0) expect(found).toEqual([]);
    if (!isJson(text)) {
      expect(found.length > 0 || reasonFor(errors[0] as Problem) !== undefined).toBe(true);
      return;
    }
    const missed = errors.filter(
      (error) => reasonFor(error) === undefined && !found.some((each) => isNear(error, each, text)),
    );
    expect(missed.map(problemText), 'which the schema should say, or `beyond` why it cannot').toEqual([]);
    const others = errors.filter((error) => reasonFor(error) === undefined);
    const expressible = errors.filter(
      (error) =>
        reasonFor(error) !== undefined &&
        found.some((each) => standsAt(error, each) && !others.some((other) => standsAt(other, each))),
    );
    expect(expressible.map(problemText), 'which an editor does find: no reason for `beyond`').toEqual([]);
  });

  it('is excused only for what some case needs', () => {
    const messages = cases.flatMap(({ errors }) => errors.map(({ message }) => message));
    expect(beyond.filter(({ told }) => !messages.some((message) => told.test(message)))).toEqual([]);
  });
});

describe('at the keyboard', () => {
  it.each([
    ['the file', site({ top: '"|",' }), fileEntries, ['connections', 'devices']],
    ['a connection', site({ connection: '"|"' }), connectionEntries(modbus, 'modbus-tcp'), ['driver']],
    [
      'a serial line',
      site({ connection: '"|"' }).replace('modbus-tcp', 'modbus-rtu'),
      connectionEntries(modbus, 'modbus-rtu'),
      ['driver'],
    ],
    ['a device', site({ device: '"|",' }), ofAll(deviceEntries), ['id', 'points']],
    ['a point', site({ point: '"|"' }), ofAll(pointEntries), ['name']],
  ])(
    'every key that %s may still have is offered and explained, none of a later version',
    async (_what, text, entries, stated) => {
      const offered = await vscode.offers(text);
      const { taken, later } = keysOf(entries);
      expect([...offered.keys()].toSorted()).toEqual(taken.filter((key) => !stated.includes(key)).toSorted());
      expect([...offered].filter(([, says]) => says.length < 5)).toEqual([]);
      expect(later.filter((key) => offered.has(key))).toEqual([]);
    },
  );

  it('a connection begins with its driver, whose names are offered', async () => {
    const text = '{ "connections": { "panel": { "|" } } }';
    expect(await vscode.offers(text)).toHaveProperty('size', expect.any(Number));
    expect([...(await vscode.offers(text)).keys()]).toContain('driver');
    const names = await vscode.offers('{ "connections": { "panel": { "driver": | } } }');
    expect([...names.keys()]).toEqual(
      registry.families.flatMap(({ schema }) => Object.keys(schema.connections).map((name) => `"${name}"`)),
    );
  });

  it('a profile in a file of its own offers and explains every key', async () => {
    const offered = await profiles.offers('{ "|" }');
    expect([...offered.keys()].toSorted()).toEqual(Object.keys(ofAll(profileEntries)).toSorted());
    expect([...offered].filter(([, says]) => says.length < 5)).toEqual([]);
    const inPoint = await profiles.offers('{ "points": [ { "|" } ] }');
    expect([...inPoint.keys()].toSorted()).toEqual(keysOf(ofAll(pointEntries)).taken.toSorted());
  });

  it.each([
    ['unitId', site({ device: '"unitId": 1,' }), 'Modbus address of the device'],
    ['scale', site({ point: '"scale": 0.1' }), 'multiplied'],
    ['timeout', site({ connection: '"timeout": "2s"' }), 'the nearest holds'],
    ['gateway', site({ top: '"gateway": "ps-12",' }), 'unique in the fleet'],
  ])('%s is explained where it stands', async (key, text, said) => {
    expect(await vscode.hover(text, key)).toContain(said);
  });

  it('a file finds the schema that stands beside it', async () => {
    expect(await vscode.findings('{ "$schema": "./sluice.schema.json", "version": 2 }')).toContainEqual(
      expect.objectContaining({ column: 49, message: 'allowed: 1' }),
    );
    expect(await vscode.findings('{ "$schema": "./elsewhere.json", "version": 2 }')).toEqual([
      expect.objectContaining({ column: 14, message: expect.stringContaining('/elsewhere.json') }),
    ]);
  });
});
