import { assert, constantFrom, jsonValue, property, nat } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placesOf } from '../../../agent/config/json/places.ts';
import { repaired } from '../../../agent/config/json/repaired.ts';
import { tokensOf } from '../../../agent/config/json/tokens.ts';
import { readSource, valueOf, type Source } from '../../../agent/config/source.ts';

const read = (text: string): Source => readSource('sluice.json', Buffer.from(text));
const told = (text: string): string[] =>
  read(text).faults.map(({ at, message }) => `${at.line}:${at.column} ${message}`);

/** Indented by hand, as people do: short things on one line. */
const site = `{
  "version": 1,
  "connections": {
    "panel": { "driver": "modbus-tcp", "host": "10.12.0.20" },
    "other": {
      "driver": "modbus-tcp"
    }
  },
  "devices": [
    {
      "id": "EM-104", "unitId": 1,
      "points": [
        { "name": "flow", "address": 12, "asset": { "id": "a" } },
        { "name": "head", "labels": { "a": "b" } }
      ]
    },
    {
      "id": "EM-105",
      "points": [ { "name": "x" }, { "name": "y" } ]
    }
  ],
  "uplink": { "kafka": { "brokers": ["a:1", "b:2"] } }
}
`;

/** The place of every closer with the line of its opener, found by counting. */
function pairs(text: string): { opener: number; closer: number }[] {
  const open: number[] = [];
  return [...text.matchAll(/[{}[\]]/g)].flatMap(({ 0: bracket, index }) => {
    if ('{['.includes(bracket)) open.push(index);
    return '{['.includes(bracket) ? [] : [{ opener: open.pop() ?? -1, closer: index }];
  });
}

describe('a bracket that is missing', () => {
  it.each(pairs(site))('is told where it was opened: $opener', ({ opener, closer }) => {
    const { line, column } = placesOf(site).at(opener);
    const [first, ...more] = read(site.slice(0, closer) + site.slice(closer + 1)).faults;
    expect(more).toEqual([]);
    expect(first?.message).toMatch(/is never closed/);
    // On one line of many the next outer one may be meant as well; the line is what one looks at.
    expect(first?.at.line).toBe(line);
    const isAlone = !/[{[].*[{[]/.test(site.split('\n')[line - 1] ?? '');
    if (isAlone) expect(first?.at.column).toBe(column);
  });

  it('is told once when two brackets were swapped', () => {
    expect(told(site.replace('      ]\n', '      }\n'))).toEqual([
      '15:7 this } should be ]; it closes the [ of line 12',
    ]);
  });

  it.each(pairs(site))('is told near, when it is one too many: $closer', ({ closer }) => {
    const faults = read(`${site.slice(0, closer + 1)}${site[closer]}${site.slice(closer + 1)}`).faults;
    expect(faults).toHaveLength(1);
    expect(faults[0]?.message).toMatch(/too many|should be|nothing may follow/);
  });

  it('is told on one line too', () => {
    expect(told('{"a": {"b": 1, "c": [1, 2}, "d": 3}')).toEqual([
      '1:21 this [ is never closed; its ] is missing before column 26',
    ]);
    expect(told('{"a": {"b": 1')).toEqual([
      '1:1 this { is never closed; its } is missing at the end of the file; also later on this line',
    ]);
  });

  it('is not blamed on files that are merely badly indented', () => {
    const flat = site.replaceAll(/^ +/gm, '');
    expect(told(flat)).toEqual([]);
    const last = flat.lastIndexOf('}');
    expect(told(flat.slice(0, last))).toEqual([expect.stringMatching(/^1:1 this \{ is never closed/)]);
  });
});

it('takes a colon that is missing before a brace for what it is', () => {
  expect(told('{\n  "a" { "b": 1 }\n}')).toEqual(['2:7 a colon is missing before this']);
});

describe('slips', () => {
  it('are mended, so that the tree is what was meant', () => {
    const text = `# ours
{
  version: 1;
  “gateway”: 'ps "12"',,
  "host" = 10.12.0.20, // a comment
  "scale": 0,001,
  "list": [1,5, 0x10, 007, .5, +3, True]
  "path": "C:\\sluice"
}`;
    const { root } = read(text);
    expect(root === undefined ? undefined : valueOf(root)).toEqual({
      version: 1,
      gateway: 'ps "12"',
      host: '10.12.0.20',
      scale: 0.001,
      list: [1, 5, '0x10', 7, 0.5, 3, true],
      path: 'C:\\sluice',
    });
    expect(told(text).map((each) => each.split(' ')[0])).toEqual(
      '1:1 3:3 3:13 4:3 4:14 4:24 5:10 5:12 6:12 7:17 7:23 7:28 7:32 7:36 8:3 8:14'.split(' '),
    );
  });

  it('leave quotes of any kind inside a text alone', () => {
    expect(told('{ "a": "pump “1”, it\'s", "b“: c”": "x = 1; # no" }')).toEqual([]);
    expect(told('{ "a": "pump “1”, it\'s" "b": 1 }')).toEqual(['1:25 a comma is missing before this']);
  });
});

it('covers every character of a text but blanks and comments with tokens, in order', () => {
  const pieces = constantFrom(
    '{',
    '}',
    '"',
    "'",
    '“',
    '”',
    '\\',
    '//',
    '/*',
    '*/',
    '\n',
    ' ',
    ',',
    ':',
    ';',
    '#',
    '0x1',
    '1,5',
    'true',
    '\u00a0',
    '\ufeff',
    'é',
    '💧',
    '=',
  );
  assert(
    property(pieces, pieces, pieces, pieces, pieces, pieces, (...parts) => {
      const text = parts.join('');
      let end = 0;
      for (const token of tokensOf(text)) {
        const between = text.slice(end, token.offset);
        if (token.end <= token.offset || !/^(?:\s|\/\/.*|\/\*[^]*?\*\/)*$/.test(between))
          throw new Error(JSON.stringify(text));
        end = token.end;
      }
    }),
    { numRuns: 2000 },
  );
});

it('knows after edits where every character stood', () => {
  const { text, original } = repaired('abcdef', [
    { offset: 1, length: 2, text: 'XYZ' },
    { offset: 4, length: 0, text: '-' },
  ]);
  expect(text).toBe('aXYZd-ef');
  expect(Array.from({ length: text.length }, (_, index) => original(index))).toEqual([0, 1, 1, 1, 3, 4, 4, 5]);
});

it('reads whatever JSON there is, without a word', () => {
  assert(
    property(jsonValue({ noUnicodeString: false }), nat(4), (value, indent) => {
      const text = JSON.stringify({ value }, null, indent);
      const { root, faults } = read(text);
      if (/\d{16}|e\+/.test(text)) return;
      expect(faults).toEqual([]);
      expect(JSON.stringify(root === undefined ? undefined : valueOf(root))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});
