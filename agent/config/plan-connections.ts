import * as v from 'valibot';
import type { DriverSchema, PlannedConnection, PointTiming, Report } from '../../drivers/driver.ts';
import type { PointInfo } from '../reading.ts';
import { deepFreeze } from './canonical.ts';
import type { CheckedConnection, CheckedDevice, CheckedFile } from './check-file.ts';
import type { Checked } from './inspect.ts';
import { labelsAt, levelsOf, nearest, type Levels } from './levels.ts';
import { resolvePoints, type ResolvedPoint } from './points.ts';
import { quoted, type Problems } from './problems.ts';
import type { AssetConfig, ConnectionConfig, Labels } from './site-config.ts';
import { child, type Node } from './source.ts';

interface Context {
  readonly gateway: string;
  readonly site: { readonly id: string; readonly labels: Labels } | null;
  /** null: not stated. */
  readonly timezone: string | null;
  readonly problems: Problems;
}

interface ResolvedDevice {
  readonly id: string;
  readonly device: CheckedDevice;
  readonly profile: Checked | undefined;
  readonly asset: AssetConfig;
  readonly points: readonly ResolvedPoint[];
  readonly leftOut: LeftOut;
}

type LeftOut = NonNullable<PlannedConnection['devices'][number]['leftOut']>;

/** Every enabled connection with its enabled devices and points, planned by its driver. Tells what they say against each other. */
export function planConnections(file: CheckedFile, context: Context): ConnectionConfig[] {
  const planned = [...file.connections].flatMap(([id, connection]) => {
    const users = file.devices.filter((device) => device.connection === id && isOn(device.checked));
    if (!isOn(connection.checked) || connection.schema === undefined) return [];
    if (users.length === 0) {
      // A device whose connection is mistyped may be the missing one, and where devices stand wrongly all may.
      if (file.top.faulty.has('devices') || file.devices.some((device) => device.connection === undefined)) return [];
      context.problems.atObject(
        'warning',
        connection.checked.node,
        'no enabled device uses this connection; it is left out',
      );
      return [];
    }
    const { schema } = connection;
    const devices = users.map((device) => resolveDevice(device, connection, schema, file, context));
    return planConnection(id, connection, schema, devices, context) ?? [];
  });
  tellSharedLinks(file, context.problems);
  const devicesNode = child(file.top.node, 'devices');
  if (planned.length === 0 && devicesNode !== undefined && !context.problems.hasErrors) {
    context.problems.atValue('warning', devicesNode, 'devices has none that is enabled; nothing will be read');
  }
  return planned;
}

/** Ids of the devices that are not polled because they, or their connections, are disabled. */
export function switchedOffIn(file: CheckedFile): string[] {
  return file.devices.flatMap(({ connection, checked }) => {
    const link = connection === undefined ? undefined : file.connections.get(connection)?.checked;
    const { id } = checked.settings as { id?: string };
    return id === undefined || (isOn(checked) && (link === undefined || isOn(link))) ? [] : [id];
  });
}

/** Two owners of one link talk over each other on a serial line, and may do so behind a TCP gateway. */
function tellSharedLinks(file: CheckedFile, problems: Problems): void {
  const first = new Map<string, string>();
  for (const [id, { driver, schema, entries, checked }] of file.connections) {
    if (schema?.linkOf === undefined || !isOn(checked) || hinders(checked, entries, schema)) continue;
    const { name, shared } = schema.linkOf(driver, pick(entries, checked.settings));
    const other = first.get(name);
    if (other === undefined) first.set(name, id);
    else
      problems.atObject(
        shared,
        checked.node,
        `opens ${name} as connection ${quoted(other)} does; put the devices on one connection`,
      );
  }
}

const isOn = (checked: Checked): boolean => checked.settings['enabled'] !== false;

function resolveDevice(
  device: CheckedDevice,
  connection: CheckedConnection,
  schema: DriverSchema,
  file: CheckedFile,
  { gateway, site, timezone, problems }: Context,
): ResolvedDevice {
  const profile = device.profile === undefined ? undefined : file.profiles.get(device.profile);
  const base = { device: device.checked, profile: profile?.checked, connection: connection.checked };
  const id = (device.checked.settings['id'] ?? '') as string;
  const asset = assetOf(device.checked, profile?.checked);
  const levels = levelsOf(device.points, profile?.points ?? [], base);
  // Without its profile a point that overrides one of it would look like half a point.
  const isLost = device.profile === undefined && device.checked.stated.has('profile');
  const points = resolvePoints(isLost ? [] : levels, schema, {
    gateway,
    site: site?.id ?? null,
    device: id,
    asset,
    profile: device.profile ?? null,
    timezone,
    problems,
  });
  for (const each of isLost ? [] : levels) tellClashes(each, schema, problems, id);
  const faulty = [device.checked, profile?.checked].some((checked) => checked?.faulty.has('points') === true);
  if (levels.length === 0 && !faulty && !isLost)
    problems.atObject(
      'error',
      device.checked.node,
      'no points; allowed: points of its own, or a profile that has some',
    );
  return { id, device, profile: profile?.checked, asset, points, leftOut: leftOutOf(levels) };
}

function leftOutOf(all: readonly Levels[]): LeftOut {
  return {
    wrong: all.filter(isWrong).map(nameOf),
    disabled: all.filter((levels) => !isWrong(levels) && nearest(levels, 'enabled', true) === false).map(nameOf),
  };
}

const isWrong = ({ own, inProfile }: Levels): boolean =>
  [own, inProfile].some((level) => (level?.faulty.size ?? 0) > 0);
const nameOf = (levels: Levels): string => String(nearest(levels, 'name', true));

/** Of points with a wrong key, which the driver's plan leaves out. */
function tellClashes({ own, inProfile }: Levels, schema: DriverSchema, problems: Problems, device: string): void {
  const stating = [own, inProfile].filter((level) => level !== undefined);
  if (stating.every(({ faulty }) => faulty.size === 0)) return;
  const right = stating.map(({ settings, stated, faulty }) =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => stated.has(key) && !faulty.has(key))),
  );
  const point = { ...right[1], ...right[0] };
  for (const { key, message } of schema.clashes?.(point) ?? [])
    tellAt(problems, 'error', stating, key, message, device);
}

const assetKeys = ['id', 'name', 'serial', 'location', 'manufacturer', 'model'] as const;

/** A profile knows who made the meter and its model; the device may know better. */
function assetOf(device: Checked, profile: Checked | undefined): AssetConfig {
  const { manufacturer, model } = profile?.settings ?? {};
  const stated = device.settings['asset'] as Readonly<Record<string, string | undefined>> | undefined;
  const asset = { manufacturer, model, ...stated } as Readonly<Record<string, string | undefined>>;
  return Object.fromEntries(assetKeys.map((key) => [key, asset[key] ?? null])) as unknown as AssetConfig;
}

/** undefined when the driver cannot be asked: what its points inherit is wrong. */
function planConnection(
  id: string,
  connection: CheckedConnection,
  schema: DriverSchema,
  all: readonly ResolvedDevice[],
  { site, problems }: Context,
): ConnectionConfig | undefined {
  const isInDoubt = (checked: Checked | undefined): boolean => schema.inherited.some((key) => checked?.faulty.has(key));
  if (isInDoubt(connection.checked)) return undefined;
  const devices = all.filter(
    ({ id: name, device, profile }) => name !== '' && !isInDoubt(device.checked) && !isInDoubt(profile),
  );
  const asked: PlannedConnection = {
    id,
    driver: connection.driver,
    settings: pick(connection.entries, connection.checked.settings),
    wrong: new Set(connection.checked.faulty),
    devices: devices.map(({ id: name, device, profile, points, leftOut }) => ({
      id: name,
      settings: deviceSettings(schema, [device.checked, profile, connection.checked]),
      points: points.map(({ config: { info, pushed }, settings, levels: { own, inProfile } }) => ({
        info,
        settings,
        stated: new Set([...(own?.stated ?? []), ...(inProfile?.stated ?? [])]),
        pushed,
      })),
      leftOut,
    })),
  };
  const report = reportTo(problems, connection.checked, devices);
  const plan: unknown = deepFreeze(schema.plan(asked, report));
  const timings = new Map(devices.flatMap(({ points }) => points.map(({ config }) => [config.info, config] as const)));
  const timingOf = (point: PointInfo): PointTiming => timings.get(point) ?? { everyMs: Infinity, withinMs: Infinity };
  return {
    id,
    driver: connection.driver,
    plan,
    requestsPerCycle: schema.requestsPerCycle?.(plan) ?? null,
    demand: schema.demandOf?.(plan, timingOf) ?? null,
    load: schema.loadOf?.(plan, timingOf, report) ?? null,
    devices: devices.map(({ id: name, device, asset, points }) => ({
      id: name,
      connection: id,
      profile: device.profile ?? null,
      description: (device.checked.settings['description'] as string | undefined) ?? null,
      labels: { ...site?.labels, ...labelsAt(connection.checked), ...labelsAt(device.checked) },
      asset,
      points: points.map(({ config }) => config),
    })),
  };
}

/** Wrong in a way that leaves open which link is meant: a needed key, or one that its points inherit. */
function hinders(checked: Checked | undefined, entries: v.ObjectEntries, schema: DriverSchema): boolean {
  const needed = (key: string): boolean => {
    const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
    return entry !== undefined && !v.safeParse(entry, undefined).success;
  };
  return [...(checked?.faulty ?? [])].some((key) => schema.inherited.includes(key) || needed(key));
}

function pick(entries: v.ObjectEntries, settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(entries).flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]]])),
  );
}

function deviceSettings(schema: DriverSchema, levels: readonly (Checked | undefined)[]): Record<string, unknown> {
  const inherited = schema.inherited.flatMap((key) => {
    const level =
      levels.find((each) => each?.stated.has(key) === true) ?? levels.find((each) => each?.settings[key] !== undefined);
    return schema.device[key] === undefined || level === undefined ? [] : [[key, level.settings[key]] as const];
  });
  return { ...pick(schema.device, levels[0]?.settings ?? {}), ...Object.fromEntries(inherited) };
}

/** Gives what a driver tells its place in the file: where the key is stated, which may be in a profile or at the connection. */
function reportTo(problems: Problems, connection: Checked, devices: readonly ResolvedDevice[]): Report {
  return (severity, place, message) => {
    const device = devices.find(({ id }) => id === place.device);
    if (device === undefined) {
      tellAt(problems, severity, [connection], place.key, message);
      return;
    }
    const levels: Levels | undefined = device.points.find(({ config }) => config.info.point === place.point)?.levels;
    if (levels === undefined) {
      const around = [device.device.checked, device.profile, connection];
      tellAt(problems, severity, around, place.key, message, device.id);
      return;
    }
    const own = [levels.own, levels.inProfile];
    const isOwn = place.key === null || own.some((level) => level?.stated.has(place.key ?? '') === true);
    const far = [levels.device, levels.profile, levels.connection];
    const isFar = !isOwn && far.some((level) => level?.stated.has(place.key ?? '') === true);
    const said = isFar ? `point ${quoted(place.point)}: ${message}` : message;
    tellAt(problems, severity, isFar ? far : own, place.key, said, device.id);
  };
}

function tellAt(
  problems: Problems,
  severity: 'error' | 'warning',
  levels: readonly (Checked | undefined)[],
  key: string | null,
  message: string,
  device?: string,
): void {
  const stating = key === null ? undefined : levels.find((level) => level?.stated.has(key) === true);
  const value: Node | undefined = stating === undefined ? undefined : child(stating.node, key ?? '');
  if (value !== undefined) problems.atValue(severity, value, message, device);
  else {
    const whole = levels.find((level) => level !== undefined);
    if (whole !== undefined) problems.atObject(severity, whole.node, message, device);
  }
}
