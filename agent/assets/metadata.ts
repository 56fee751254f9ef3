/** What the lane `asset-metadata` says of a configuration. Pure: the same configuration gives the same bytes. */
import { durationText } from '../config/grammar.ts';
import { MONTH_MS } from '../schedule/wall-slots.ts';
import { registry as allDrivers, driverFor, type Registry } from '../../drivers/registry.ts';
import type { Description, Wanted } from './announcements.ts';
import type { ConnectionConfig, DeviceConfig, PointConfig, SiteConfig } from '../config/site-config.ts';

/** Above this many characters the current state leaves out what only explains its points. A topic takes 1 MB by default, after compression. */
const mostChars = 900_000;

/** What a device says of the unit of a point whose configuration names none. */
export type UnitOf = (device: string, point: string) => string | null;

/** What the metadata topic should say of every device of a configuration, and where it goes. */
export function describeSite(config: SiteConfig, registry: Registry = allDrivers, unitOf: UnitOf = () => null): Wanted {
  const descriptions = config.connections.flatMap((connection) =>
    connection.devices.flatMap((device) => describeDevice(config, connection, device, registry, unitOf)),
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
  unitOf: UnitOf,
): Description[] {
  // Of the points of one device all name the same map; a device without any has none.
  const map = device.points[0]?.info.map ?? null;
  const unitsSaid = driverFor(connection.driver, registry)?.schema.saysUnits === true ? unitOf : () => null;
  const current: Description = {
    device: device.id,
    map: null,
    body: currentState(config, connection, device, map, unitsSaid),
  };
  if (map === null) return [current];
  const registers = driverFor(connection.driver, registry)?.schema.registersOf?.(connection.plan, device.id) ?? {};
  const body = JSON.stringify({
    ...headOf(config, device),
    map,
    driver: connection.driver,
    profile: device.profile,
    points: device.points
      .map(({ info: { point, kind, unit }, obis, counter }) => ({
        point,
        kind,
        unit,
        obis,
        modulus: counter?.modulus ?? null,
        decreases: counter?.decreases ?? false,
        register: registers[point] ?? null,
      }))
      .toSorted((a, b) => (a.point < b.point ? -1 : 1)),
  });
  return [{ device: device.id, map, body }, current];
}

function currentState(
  config: SiteConfig,
  connection: ConnectionConfig,
  device: DeviceConfig,
  map: string | null,
  unitOf: UnitOf,
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
  const whole = body(device.points.map((point) => tellPoint(point, unitOf)));
  if (whole.length <= mostChars) return whole;
  return body(device.points.map((point) => ({ ...tellPoint(point, unitOf), description: null, labels: {} })));
}

/** `time` and `clock` are filled in at the commit (reading.ts, Note). */
function headOf({ gateway, site }: SiteConfig, { id: device, asset }: DeviceConfig): object {
  const { id, ...books } = asset;
  return { gateway, site: site?.id ?? null, device, time: null, clock: null, asset: id, ...books };
}

function tellPoint(point: PointConfig, unitOf: UnitOf): object {
  const { info, everyMs, local, report, obis, description, labels } = point;
  return {
    point: info.point,
    kind: info.kind,
    unit: info.unit ?? unitOf(info.device, info.point),
    stream: info.stream,
    every: everyMs === MONTH_MS ? '1mo' : durationText(everyMs),
    at: local === null ? null : timeOfDay(local.atMs),
    report: report === null ? 'every' : 'change',
    obis,
    description,
    labels,
  };
}

/** `06:30` */
function timeOfDay(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16);
}

/** A topic of another name, or elsewhere, has heard nothing yet. */
function destinationOf(uplink: SiteConfig['uplink']): string {
  if ('file' in uplink) return `file ${uplink.file.path}`;
  const { brokers, topics } = uplink.kafka;
  return `kafka ${brokers.toSorted().join(',')} ${topics['asset-metadata']}`;
}
