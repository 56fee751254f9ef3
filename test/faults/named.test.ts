import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = import.meta.dirname;
const rows = readFileSync(join(folder, 'README.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line) => {
    const [, number = '', fault = '', tier = '', tests = ''] = line.split('|').map((cell) => cell.trim());
    const named = tests.split('<br>').map((text) => /^`([^`]+)`(?:: (.+))?$/.exec(text));
    return { number: Number(number), fault, tier, named };
  });

describe('the table of faults', () => {
  it('has a row for each fault of the buffer and the clock', () => {
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 22, 23, 24, 30, 31, 32, 34, 35];
    expect(rows.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(numbers);
  });

  it.each(rows.filter(({ number }) => number !== 3))(
    'names tests that are there, in the tier it says: $number $fault',
    ({ tier, named, number }) => {
      const found = new Set<string>();
      for (const one of named) {
        const [, file = '', title] = one ?? [];
        if (title === undefined) {
          expect(file).toBe(`npm run torture -- ${number}`);
          expect(readFileSync(join(folder, '../torture/torture.ts'), 'utf8')).toMatch(
            new RegExp(`^ {2}${number}: `, 'm'),
          );
          found.add('by hand');
          continue;
        }
        const path = join(folder, `${file}.test.ts`);
        const isThere = existsSync(path) && readFileSync(path, 'utf8').includes(title);
        expect({ file, title, isThere }).toMatchObject({ isThere: true });
        found.add(file.endsWith('.slow') ? '.ci/run' : 'npm test');
      }
      // What `npm test` runs `.ci/run` does as well.
      for (const each of tier.split(', ')) expect([...found]).toContain(each);
    },
  );
});
