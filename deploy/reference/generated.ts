import { registry } from '../../drivers/registry.ts';
import { configSchema, profileSchema } from './json-schema.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Every file that is made from the schema, with its text, by its path from the root of the repository. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([
    ['agent/schemas/sluice.schema.json', json(configSchema(registry))],
    ['agent/schemas/profile.schema.json', json(profileSchema(registry))],
  ]);
}
