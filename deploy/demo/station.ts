import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyEdits, modify, parse } from 'jsonc-parser';
import type { Topics } from './read-records.ts';

export interface Station {
  readonly gateway: string;
  readonly site: string;
  readonly devices: readonly { readonly id: string; readonly name: string }[];
}

export type Uplink = { readonly brokers: readonly string[]; readonly topics: Topics } | { readonly file: string };

/** Saves the demo's configuration with another place for its data, another uplink, and a PLC that nobody has to be trusted for; all else, comments too, as it stands. */
export function writeStation(target: string, stateDir: string, uplink: Uplink): Station {
  let text = readFileSync(join(import.meta.dirname, 'sluice.json'), 'utf8');
  const set = (path: string[], value: unknown): void => {
    text = applyEdits(text, modify(text, path, value, {}));
  };
  set(['stateDir'], stateDir);
  set(['uplink'], 'file' in uplink ? { file: { path: uplink.file } } : { kafka: uplink });
  // Nobody is there to compare thumbprints, and nothing leaves this machine.
  set(['connections', 'plc', 'securityMode'], undefined);
  // Several demos may run on one machine.
  set(['status'], undefined);
  writeFileSync(target, text);
  const { gateway, site, devices } = parse(text, [], { allowTrailingComma: true }) as {
    gateway: string;
    site: { name: string };
    devices: { id: string; asset: { name: string } }[];
  };
  return { gateway, site: site.name, devices: devices.map(({ id, asset }) => ({ id, name: asset.name })) };
}
