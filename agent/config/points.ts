import type { DriverSchema, Settings } from '../../drivers/driver.ts';
import type { Kind, Stream } from '../reading.ts';
import { contentHash } from './canonical.ts';
import type { Checked } from './inspect.ts';
import { quoted, type Problems } from './problems.ts';
import { defaultEveryMs, defaultWithinMs, type AssetConfig, type Labels, type PointConfig } from './site-config.ts';
import { child } from './source.ts';
import { ucum } from './units.ts';

/** Where the settings of one point may stand, nearest first. `own`: with the device; `inProfile`: the profile's point of that name. */
export interface Levels {
  readonly own: Checked | undefined;
  readonly inProfile: Checked | undefined;
  readonly device: Checked;
  readonly profile: Checked | undefined;
  readonly connection: Checked;
}

export interface ResolvedPoint {
  readonly levels: Levels;
  readonly config: PointConfig;
  /** The driver's keys, inherited ones filled in, and `every` and `within` in ms. */
  readonly settings: Settings;
}

interface Owner {
  readonly gateway: string;
  readonly site: string | null;
  readonly device: string;
  readonly asset: AssetConfig;
  readonly profile: string | null;
  readonly problems: Problems;
}

const nameOf = (point: Checked): unknown => point.settings['name'];

/** The profile's points in its order, then the device's own; one of equal name stands in the profile's place. */
export function levelsOf(
  own: readonly Checked[],
  inProfile: readonly Checked[],
  base: Pick<Levels, 'device' | 'profile' | 'connection'>,
): Levels[] {
  const merged = inProfile.map((point) => ({
    ...base,
    inProfile: point,
    own: own.find((each) => nameOf(each) !== undefined && nameOf(each) === nameOf(point)),
  }));
  const added = own.filter((point) => merged.every((each) => each.own !== point));
  return [...merged, ...added.map((point) => ({ ...base, own: point, inProfile: undefined }))];
}

/** Keys that say how a point is asked, not what its registers mean: no part of its register map. */
const manners = new Set(['every', 'within', 'timeout', 'retries', 'pause', 'maxRegisters', 'maxGap', 'raw']);

/** The enabled points that are right. Tells about units and about `within`. */
export function resolvePoints(all: readonly Levels[], schema: DriverSchema, owner: Owner): ResolvedPoint[] {
  const drafts = all
    .filter(({ own, inProfile }) => [own, inProfile].every((level) => (level?.faulty.size ?? 0) === 0))
    .filter((levels) => nearest(levels, 'enabled', true) !== false)
    .map((levels) => draft(levels, schema, owner));
  const { gateway, site, device, asset, profile } = owner;
  const map = contentHash({
    points: drafts
      .map(({ point, kind, unit, settings, told: { obis } }) => ({
        point,
        kind,
        unit,
        ...without(settings, manners),
        ...(obis === null ? {} : { obis }),
      }))
      .toSorted((a, b) => (a.point < b.point ? -1 : 1)),
    asset: stated(asset),
    profile,
  });
  return drafts.map(({ levels, point, kind, unit, stream, settings, told }) => {
    const content = { gateway, site, device, asset: asset.id, serial: asset.serial, point, kind, unit, stream, map };
    const info = Object.freeze({ hash: contentHash(content), ...content });
    return { levels, config: { info, ...told }, settings };
  });
}

interface Draft extends Omit<ResolvedPoint, 'config'> {
  readonly told: Omit<PointConfig, 'info'>;
  readonly point: string;
  readonly kind: Kind;
  readonly unit: string | null;
  readonly stream: Stream;
}

function draft(levels: Levels, schema: DriverSchema, owner: Owner): Draft {
  const driverSettings = Object.fromEntries(
    Object.keys(schema.point).flatMap((key) => {
      const value = nearest(levels, key, !schema.inherited.includes(key));
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const kind = (nearest(levels, 'kind', true) as Kind | undefined) ?? schema.kindOf(driverSettings);
  const everyMs = (nearest(levels, 'every', false) as number | undefined) ?? defaultEveryMs(kind);
  const within = nearest(levels, 'within', false) as number | undefined;
  const withinMs = Math.min(within ?? defaultWithinMs(everyMs), everyMs);
  tellWithin(levels, owner);
  const settings = { ...driverSettings, every: everyMs, within: withinMs };
  const stream =
    (nearest(levels, 'stream', true) as Stream | undefined) ??
    (kind === 'counter' ? 'meter-readings' : 'sensor-values');
  const point = String(nearest(levels, 'name', true));
  const told = {
    description: (nearest(levels, 'description', true) as string | undefined) ?? null,
    labels: { ...labelsAt(levels.inProfile), ...labelsAt(levels.own) },
    obis: (nearest(levels, 'obis', true) as string | undefined) ?? null,
    everyMs,
    withinMs,
  };
  return { levels, point, kind, unit: unitOf(levels, kind, owner), stream, settings, told };
}

/** The labels that one object states. */
export function labelsAt(checked: Checked | undefined): Labels {
  return (checked?.settings['labels'] as Labels | undefined) ?? {};
}

/** Point > device > profile > connection > default; a point stated in a profile is a point. */
function nearest(levels: Levels, key: string, pointOnly: boolean): unknown {
  const { own, inProfile, device, profile, connection } = levels;
  const order = pointOnly ? [own, inProfile] : [own, inProfile, device, profile, connection];
  const stating = order.find((level) => level?.stated.has(key) === true && !level.faulty.has(key));
  return stating === undefined
    ? order.find((level) => level?.settings[key] !== undefined)?.settings[key]
    : stating.settings[key];
}

/** Where one object states both, `within` cannot be the longer one. Inherited from afar it is cut to `every` silently: other points need it. */
function tellWithin({ own, inProfile, device, profile, connection }: Levels, { problems, device: id }: Owner): void {
  for (const level of [own, inProfile, device, profile, connection]) {
    const { every, within } = (level?.settings ?? {}) as { every?: number; within?: number };
    const node = level === undefined ? undefined : child(level.node, 'within');
    if (node !== undefined && every !== undefined && within !== undefined && within > every) {
      problems.atValue(
        'error',
        node,
        `within is ${quoted(node.value)}; longer than every beside it; allowed: at most every`,
        id,
      );
    }
  }
}

function unitOf(levels: Levels, kind: Kind, { problems, device }: Owner): string | null {
  const stating = [levels.own, levels.inProfile].find((level) => level?.stated.has('unit') === true);
  const node = stating === undefined ? undefined : child(stating.node, 'unit');
  const whole = levels.own ?? levels.inProfile;
  if (stating === undefined || node === undefined) {
    if ((kind === 'counter' || kind === 'gauge') && whole !== undefined) {
      problems.atObject('warning', whole.node, `unit is missing for a ${kind}; write "1" if it has none`, device);
    }
    return null;
  }
  const stated = String(stating.settings['unit']);
  const { code, known } = ucum(stated);
  const told = (message: string): void =>
    problems.atValue('warning', node, `unit is ${quoted(stated)}; ${message}`, device);
  if (!known)
    told('not a unit that is known here; it is passed on as it stands (UCUM codes and the usual spellings are known)');
  if (kind === 'gauge' && /^(?:[kMG]?W\.h|m3)$/.test(code))
    told('usual for a total; if this is one, write "kind": "counter"');
  return code;
}

function without(settings: Settings, keys: ReadonlySet<string>): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !keys.has(key)));
}

const stated = (asset: AssetConfig): object =>
  Object.fromEntries(Object.entries(asset).filter(([, value]) => value !== null));
