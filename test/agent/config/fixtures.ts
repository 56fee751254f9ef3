import * as v from 'valibot';
import { duration, integer, oneOf, secret } from '../../../agent/config/grammar.ts';
import { readConfig, type LoadOptions, type LoadResult } from '../../../agent/config/load.ts';
import type { SiteConfig } from '../../../agent/config/site-config.ts';
import type { DriverSchema, PlannedConnection } from '../../../drivers/driver.ts';
import type { Registry } from '../../../drivers/registry.ts';

/** A driver whose plan is what it was asked for, so that a test sees what a driver would. */
export const mirrorSchema: DriverSchema<PlannedConnection> = {
  family: 'mirror',
  connections: {
    mirror: {
      host: v.string(),
      password: v.optional(secret()),
      speed: v.optional(integer(1, 9), 5),
      timeout: v.optional(duration()),
    },
  },
  device: { unitId: integer(1, 247), order: v.optional(oneOf(['AB', 'BA'])), timeout: v.optional(duration()) },
  point: {
    address: v.optional(integer(0, 65_535)),
    order: v.optional(oneOf(['AB', 'BA'])),
    timeout: v.optional(duration()),
  },
  inherited: ['order', 'timeout'],
  linkOf: (_driver, { host, speed }) => ({ name: String(host), shared: speed === 9 ? 'error' : 'warning' }),
  kindOf: ({ address }) => (address === 0 ? 'state' : 'gauge'),
  plan: (connection, report) => {
    for (const { id, points } of connection.devices) {
      for (const { info, settings } of points) {
        const tell = (key: string | null): void =>
          report('error', { device: id, point: info.point, key }, `says no to ${key}`);
        if (settings['order'] === 'BA' && settings['address'] === 13) tell('order');
        if (settings['address'] === 14) tell(null);
      }
    }
    return connection;
  },
};

export const mirrors: Registry = {
  families: [{ schema: mirrorSchema, load: () => Promise.reject(new Error('not for opening')) }],
  notYet: [],
};

export interface Site {
  [key: string]: unknown;
  connections: Record<string, Record<string, unknown>>;
  devices: Record<string, unknown>[];
}

/** A right file with one device, to be changed. */
export function site(): Site {
  return {
    version: 1,
    gateway: 'ps-12',
    site: { id: 'PS12' },
    connections: { panel: { driver: 'mirror', host: '10.0.0.1' } },
    devices: [{ id: 'EM-1', connection: 'panel', unitId: 1, points: [{ name: 'flow', unit: 'm3/h', address: 1 }] }],
    stateDir: '/tmp',
    uplink: { file: { path: 'readings.ndjson' } },
  };
}

export function load(content: unknown, options: Partial<LoadOptions> = {}): LoadResult {
  const text = typeof content === 'string' ? content : JSON.stringify(content, null, 2);
  return readConfig('sluice.json', Buffer.from(text), { env: {}, registry: mirrors, ...options });
}

export function loaded(content: unknown, options: Partial<LoadOptions> = {}): SiteConfig {
  const { config, problems } = load(content, options);
  if (config === null) throw new Error(problems.map(({ message }) => message).join('\n'));
  return config;
}
