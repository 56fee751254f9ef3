import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inheritedKeys } from '../../agent/config/schema.ts';
import { publishedSchema, type PublishedSchema } from '../../agent/schemas/published.ts';
import { registry } from '../../drivers/registry.ts';
import { configSchema, profileSchema, type Part } from './json-schema.ts';
import { keyTable, partAt, recordTable } from './markdown.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Every file that is made from the schema, with its text, by its path from the root of the repository. */
export function generated(): ReadonlyMap<string, string> {
  const config = configSchema(registry);
  return new Map([
    ['agent/schemas/sluice.schema.json', json(config)],
    ['agent/schemas/profile.schema.json', json(profileSchema(registry))],
    ['docs/configuration.md', filled('configuration', config)],
    ['docs/records.md', filled('records', config)],
  ]);
}

/** A template with its `{{keys PATH}}`, `{{inherited PATH}}` and `{{record NAME PART}}` replaced by tables. */
function filled(name: string, config: Part): string {
  const template = readFileSync(join(import.meta.dirname, `${name}.template.md`), 'utf8');
  const tables: Readonly<Record<string, (of: string) => string>> = {
    keys: (path) => keyTable(partAt(config, path), { without: inheritedAt(path) }),
    inherited: (path) => keyTable(partAt(config, path), { only: inheritedAt(path) }),
    record: (of) => {
      const [record = '', part = ''] = of.split(' ');
      return recordTable(partAt(JSON.parse(publishedSchema(record as PublishedSchema)) as Part, part));
    },
  };
  const text = template.replaceAll(/\{\{(\w+) ?([^}]*)\}\}/g, (_whole, what: string, of: string) => {
    const make = tables[what];
    if (make === undefined) throw new Error(`${name}.template.md: there is no {{${what}}}`);
    return make(of);
  });
  return `<!-- Made by \`npm run generate\` from deploy/reference/${name}.template.md and the schema. -->\n\n${text}`;
}

/** Of the family whose part it is; `modbus-tcp.connection` and `modbus.point` are the same family's. */
function inheritedAt(path: string): Set<string> {
  const [begin = ''] = path.split('.');
  const own = registry.families.find(
    ({ schema }) => schema.family === begin || Object.hasOwn(schema.connections, begin),
  );
  return new Set(own === undefined ? [] : inheritedKeys(own.schema));
}
