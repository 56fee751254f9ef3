import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The JSON Schemas beside this file, by their word on the command line. The first two are made by `npm run generate`. */
export const publishedSchemas = {
  config: { file: 'sluice.schema.json', says: 'the configuration, for an editor that completes and explains its keys' },
  profile: { file: 'profile.schema.json', says: 'a profile: the register map of one meter model' },
  reading: { file: 'reading.schema.json', says: 'the records of meter-readings and sensor-values' },
  event: { file: 'event.schema.json', says: 'the records of gateway-events' },
  asset: { file: 'asset.schema.json', says: 'the records of asset-metadata' },
  status: { file: 'status.schema.json', says: 'the records of gateway-status' },
} as const;
export type PublishedSchema = keyof typeof publishedSchemas;

/** The text of a published JSON Schema. */
export function publishedSchema(name: PublishedSchema): string {
  return readFileSync(join(import.meta.dirname, publishedSchemas[name].file), 'utf8');
}
