/** What the lane `asset-metadata` says of a configuration. Pure: the same configuration gives the same bytes. */
import { registry as allDrivers, driverFor, type Registry } from '../drivers/registry.ts';
import type { Description, Wanted } from './announcements.ts';
import type { ConnectionConfig, DeviceConfig, PointConfig, SiteConfig } from './config/site-config.ts';

/** Above this many characters the current state leaves out what only explains its points. A topic takes 1 MB by default, after compression. */
const mostChars = 900_000;

export function describeSite(config: SiteConfig, registry: Registry = allDrivers): Wanted {
  const descriptions = config.connections.flatMap((connection) =>
    connection.devices.flatMap((device) => describeDevice(config, connection, device, registry)),
  );
  return {
    gateway: config.gateway,
    destination: destinationOf(config.uplink),
    descriptions,
    switchedOff: config.switchedOff,
  };
}

/** The register map first: who reads the topic from its beginning then knows a map before a device that uses it. */
function describeDevice(
  config: SiteConfig,
  connection: ConnectionConfig,
  device: DeviceConfig,
  registry: Registry,
): Description[] {
  // Of the points of one device all name the same map; a device without any has none.
  const map = device.points[0]?.info.map ?? null;
  const current: Description = { device: device.id, map: null, body: currentState(config, connection, device, map) };
  if (map === null) return [current];
  const registers = driverFor(connection.driver, registry)?.schema.registersOf?.(connection.plan, device.id) ?? {};
  const body = JSON.stringify({
    ...headOf(config, device),
    map,
    driver: connection.driver,
    profile: device.profile,
    points: device.points
      .map(({ info: { point, kind, unit }, obis }) => ({ point, kind, unit, obis, register: registers[point] ?? null }))
      .toSorted((a, b) => (a.point < b.point ? -1 : 1)),
  });
  return [{ device: device.id, map, body }, current];
}

function currentState(
  config: SiteConfig,
  connection: ConnectionConfig,
  device: DeviceConfig,
  map: string | null,
): string {
  const { site } = config;
  const { description, labels, profile } = device;
  const body = (points: readonly object[]): string =>
    JSON.stringify({
      ...headOf(config, device),
      description,
      labels,
      siteName: site?.name ?? null,
      timezone: site?.timezone ?? null,
      connection: connection.id,
      driver: connection.driver,
      profile,
      map,
      enabled: true,
      removedAt: null,
      points,
    });
  const whole = body(device.points.map(tellPoint));
  if (whole.length <= mostChars) return whole;
  return body(device.points.map((point) => ({ ...tellPoint(point), description: null, labels: {} })));
}

/** `time` and `clock` are filled in at the commit (reading.ts, Note). */
function headOf({ gateway, site }: SiteConfig, { id: device, asset }: DeviceConfig): object {
  const { id, ...books } = asset;
  return { gateway, site: site?.id ?? null, device, time: null, clock: null, asset: id, ...books };
}

function tellPoint({ info: { point, kind, unit, stream }, everyMs, obis, description, labels }: PointConfig): object {
  return { point, kind, unit, stream, every: durationText(everyMs), obis, description, labels };
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** As the configuration writes it: `15m`, `750ms`. */
function durationText(ms: number): string {
  const [unit, length] = units.find(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / length}${unit}`;
}

/** A topic of another name, or elsewhere, has heard nothing yet. */
function destinationOf(uplink: SiteConfig['uplink']): string {
  if ('file' in uplink) return `file ${uplink.file.path}`;
  const { brokers, topics } = uplink.kafka;
  return `kafka ${brokers.toSorted().join(',')} ${topics['asset-metadata']}`;
}
