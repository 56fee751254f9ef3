import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../agent/config/load.ts';
import { problemText } from '../agent/config/problems.ts';
import { jsonEncoding } from '../agent/uplink/encodings.ts';
import { keep } from '../buffer/frame.ts';
import { reading } from './support/readings.ts';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(readme)?.[1] ?? '';

describe('README', () => {
  it('shows a configuration that passes check but for the secret that is not here', () => {
    const { problems, config } = readConfig('/etc/sluice/sluice.json', Buffer.from(block('jsonc')), {
      env: {},
      noSecrets: true,
    });
    expect(problems.map(problemText)).toEqual([expect.stringMatching(/password is missing/)]);
    expect(config?.connections[0]?.devices[0]?.points).toHaveLength(2);
  });

  it('shows a record with the keys of the real one, in their order', () => {
    const seen = reading({});
    const { value } = jsonEncoding()(keep(seen.at, { seq: 1, entry: seen }, '1-aaaaaaaa', 'meter-readings'), false);
    expect(Object.keys(JSON.parse(block('json')) as object)).toEqual(Object.keys(JSON.parse(value ?? '{}') as object));
  });
});
