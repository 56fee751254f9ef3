import { array, assert, constantFrom, nat, oneof, property, record, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../agent/config/load.ts';
import { problemText, type Problem } from '../../../agent/config/problems.ts';

const good = `{
  // a site
  "version": 1, "gateway": "ps-12",
  "connections": {
    "panel": { "driver": "modbus-tcp", "host": "10.12.0.20", "timeout": "2s" },
  },
  "profiles": { "p": { "byteOrder": "CDAB", "points": [{ "name": "a", "unit": "kWh", "kind": "counter", "address": 10, "type": "uint32" }] } },
  "devices": [
    { "id": "EM-1", "connection": "panel", "unitId": 1, "profile": "p", "every": "15m",
      "points": [{ "name": "flow", "unit": "m3/h", "address": 12, "type": "float32", "min": 0, "max": 9.5 }] },
  ],
  "stateDir": "/tmp",
  "uplink": { "kafka": { "brokers": ["kafka-1.example:9093"], "tls": true,
    "sasl": { "mechanism": "PLAIN", "username": "ps-12", "password": "hunter2" } } },
}
`;

const load = (text: string): readonly Problem[] => {
  const { problems, config } = readConfig('sluice.json', Buffer.from(text), { env: {}, profileFolder: '/nowhere' });
  if ((config === null) !== problems.some(({ severity }) => severity === 'error'))
    throw new Error('neither nor, or both');
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .map((line) => Array.from(line).length);
  for (const { line, column } of problems) {
    const isInside = column >= 1 && column <= (lines[line - 1] ?? 0) + 1;
    if (line < 1 || line > lines.length || !isInside) throw new Error(`${line}:${column} is not in the file`);
  }
  const told = problems.map(problemText);
  if (new Set(told).size < told.length) throw new Error(`told twice: ${told.join('\n')}`);
  const order = problems.map(({ line, column }) => line * 1e6 + column);
  if (order.some((place, index) => place < (order[index - 1] ?? 0))) throw new Error('not in file order');
  return problems;
};
const isShown = (text: string): boolean => load(text).some((problem) => problemText(problem).includes('hunter2'));

const values =
  '"hunter2" null true 0 -1 1.5 1e400 18446744073709551615 "" "x y" [] {} [[]] [1,5] {"a":{}} "${env:X}" "__proto__" {"__proto__":1} \'x\' 0x10 None'.split(
    ' ',
  );
const cut = record({
  at: nat(good.length),
  length: nat(40),
  put: oneof(
    constantFrom(
      '',
      '{',
      '}',
      '[',
      ']',
      '"',
      ',',
      ':',
      "'",
      '”',
      '\n',
      '\\',
      '\u00a0',
      '//',
      '/*',
      '-',
      '💧',
      ...values,
    ),
    string(),
  ),
});
const mutated = (cuts: readonly { at: number; length: number; put: string }[], text = good): string =>
  cuts.reduce((each, { at, length, put }) => each.slice(0, at) + put + each.slice(at + length), text);

describe('a good file, cut and patched at any place', () => {
  it('gives a configuration or errors, each once, inside the file and in its order', () => {
    expect(load(good).map(({ message }) => message)).toEqual([expect.stringContaining('password stands in clear')]);
    assert(
      property(array(cut, { minLength: 1, maxLength: 3 }), (cuts) => void load(mutated(cuts))),
      { numRuns: 1500 },
    );
  });

  it('never tells the password, as long as it stands where a value stands', () => {
    // A cut inside the password's own line may make it another key's value, which is told.
    const before = good.indexOf('"sasl"');
    const outside = cut.filter(({ at, length, put }) => at + length < before && !put.includes('hunter2'));
    assert(
      property(
        array(outside, { minLength: 1, maxLength: 3 }),
        (cuts) => !isShown(mutated(cuts.toSorted((a, b) => b.at - a.at))),
      ),
      { numRuns: 1500 },
    );
  });

  it('swapped in its values, whole objects among them', () => {
    const places = [...good.matchAll(/(?<=: )("[^"\n]*"|\{[^{}\n]*\}|\[[^[\]\n]*\]|\d+|true)/g)];
    expect(places.length).toBeGreaterThan(10);
    assert(
      property(nat(places.length - 1), nat(places.length - 1), (one, other) => {
        const [a, b] = [places[one], places[other]];
        if (a === undefined || b === undefined) return;
        load(good.slice(0, a.index) + b[0] + good.slice(a.index + a[0].length));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a password', () => {
  it.each([
    ['a mistyped key', '"passwrod": "hunter2"'],
    ['a key of another program', '"pass": "hunter2", "secret": ["hunter2"]'],
    ['a list', '"password": ["hunter2"]'],
    ['an object', '"password": { "value": "hunter2" }'],
    ['a reference that is none', '"password": "${hunter2 }"'],
    ['the name of a variable', '"password": "${env:hunter2!}"'],
    ['another kind of quotes', "'password': 'hunter2'"],
    ['no quotes', 'password: hunter2'],
    ['a text that does not end', '"password": "hunter2'],
    ['a quote inside', '"password": "hunter2"hunter2"'],
    ['two values', '"password": "hunter2" "hunter2"'],
    ['two keys', '"password": "hunter2", "password": "hunter2"'],
    ['no key', '"hunter2"'],
    ['an equal sign', '"password" = "hunter2";'],
    ['a control character', '"password": "hunter2\u0007"'],
    ['a bad escape', '"password": "hunter2\\x"'],
  ])('is in no message: %s', (_what, sasl) => {
    const text = good.replace('"password": "hunter2"', () => sasl);
    expect(load(text).map(problemText).join('\n').replace('"hunter2" is no key', '')).not.toContain('hunter2');
    expect(load(text).length).toBeGreaterThan(0);
  });

  it('inside a URL is in no message', () => {
    expect(isShown(good.replace('10.12.0.20', 'http://ps-12:hunter2@10.12.0.20/x'))).toBe(false);
    expect(isShown(good.replace('kafka-1.example:9093', 'sasl://ps-12:hunter2@kafka-1.example:9093'))).toBe(false);
  });
});

describe('a file of megabytes', () => {
  it.each([
    ['braces', '{'.repeat(1_900_000)],
    ['unknown keys', `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}": ${index}`).join(',')}}`],
    ['devices', `{"devices":[${'{"id":"a"},'.repeat(50_000)}]}`],
    ['more than is read', 'x'.repeat(10_000_000)],
  ])(
    'of %s ends soon, with words',
    (_what, text) => {
      const problems = load(text);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.length).toBeLessThanOrEqual(1001);
    },
    20_000,
  );

  it('with a warning for each of many points is a configuration', () => {
    const points = Array.from({ length: 1500 }, (_, index) => `{ "name": "p${index}", "address": ${index} }`).join(',');
    const text = good.replace(/"points": \[\{ "name": "flow".*\]/, `"points": [${points}]`);
    const problems = load(text);
    expect(problems.length).toBeGreaterThan(1500);
    expect(problems.every(({ severity }) => severity === 'warning')).toBe(true);
  });
});
