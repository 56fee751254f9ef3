import type { DriverSchema, Settings } from '../../drivers/driver.ts';
import type { Kind, Stream } from '../reading.ts';
import { contentHash } from './canonical.ts';
import { labelsAt, nearest, type Levels } from './levels.ts';
import { quoted, type Problems } from './problems.ts';
import { rulesOf } from './rules.ts';
import type { AssetConfig, PointConfig } from './site-config.ts';
import { child } from './source.ts';
import { dailyTiming, tellIdleAt, timingOf } from './timing.ts';
import { ucum } from './ucum.ts';
import { nearestUnit } from './units.ts';

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
  readonly timezone: string | null;
  readonly problems: Problems;
}

/** Keys that say how a point is asked, not what its registers mean: no part of its register map. */
const manners = new Set(['every', 'within', 'timeout', 'retries', 'pause', 'maxRegisters', 'maxGap', 'raw']);

/** The enabled points that are right. Tells about units and about `within`. */
export function resolvePoints(all: readonly Levels[], schema: DriverSchema, owner: Owner): ResolvedPoint[] {
  const drafts = all
    .filter(({ own, inProfile }) => [own, inProfile].every((level) => (level?.faulty.size ?? 0) === 0))
    .filter((levels) => nearest(levels, 'enabled', true) !== false)
    .map((levels) => draft(levels, schema, owner));
  const [first] = all;
  if (first !== undefined)
    tellIdleAt(
      first.device,
      drafts.flatMap(({ told }) => (told.identity === null ? [told] : [])),
      owner,
    );
  tellIdentities(drafts, owner);
  const { gateway, site, device, asset, profile } = owner;
  const map = contentHash({
    points: drafts
      .map(({ point, kind, unit, settings, told: { obis, counter } }) => ({
        point,
        kind,
        unit,
        ...without(settings, manners),
        ...(obis === null ? {} : { obis }),
        ...(counter === null || counter.modulus === null ? {} : { modulus: counter.modulus }),
        ...(counter?.decreases === true ? { decreases: true } : {}),
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
      const value = driverValue(levels, key, schema);
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const kind = (nearest(levels, 'kind', true) as Kind | undefined) ?? schema.kindOf(driverSettings);
  const identity = (nearest(levels, 'identity', true) as 'serial' | undefined) ?? null;
  const pushed = identity === null && (schema.isPushed?.(driverSettings, kind) ?? false);
  const timing = identity === null ? timingOf(levels, kind, owner, pushed) : dailyTiming(levels, owner);
  const settings = { ...driverSettings, every: timing.everyMs, within: timing.withinMs };
  const stream =
    (nearest(levels, 'stream', true) as Stream | undefined) ??
    (kind === 'counter' ? 'meter-readings' : 'sensor-values');
  const point = String(nearest(levels, 'name', true));
  const told = {
    description: (nearest(levels, 'description', true) as string | undefined) ?? null,
    labels: { ...labelsAt(levels.inProfile), ...labelsAt(levels.own) },
    obis: (nearest(levels, 'obis', true) as string | undefined) ?? null,
    identity,
    pushed,
    ...timing,
    ...rulesOf(levels, kind, timing.everyMs, owner),
  };
  return {
    levels,
    point,
    kind,
    unit: identity === null ? unitOf(levels, kind, schema, owner) : null,
    stream,
    settings,
    told,
  };
}

/** A total is no name, and a meter has one. */
function tellIdentities(drafts: readonly Draft[], { problems, device }: Owner): void {
  const named = drafts.filter(({ told }) => told.identity !== null);
  for (const { levels, point, kind } of named) {
    const level = [levels.own, levels.inProfile].find((each) => each?.stated.has('identity') === true);
    const node = level === undefined ? undefined : child(level.node, 'identity');
    if (node === undefined) continue;
    const tell = (said: string): void => problems.atValue('error', node, `identity is "serial"; ${said}`, device);
    if (kind === 'counter') tell('a counter is no serial number; drop identity or "kind": "counter"');
    else if (point !== named[0]?.point) tell(`point ${quoted(named[0]?.point)} is that already; drop one of the two`);
  }
}

function driverValue(levels: Levels, key: string, { inherited, alternatives }: DriverSchema): unknown {
  const group = alternatives?.find((keys) => keys.includes(key));
  if (group === undefined) return nearest(levels, key, !inherited.includes(key));
  const stating = [levels.own, levels.inProfile].find((level) => group.some((each) => level?.stated.has(each)));
  return stating?.settings[key];
}

function unitOf(levels: Levels, kind: Kind, { saysUnits }: DriverSchema, { problems, device }: Owner): string | null {
  const stating = [levels.own, levels.inProfile].find((level) => level?.stated.has('unit') === true);
  const node = stating === undefined ? undefined : child(stating.node, 'unit');
  const whole = levels.own ?? levels.inProfile;
  if (stating === undefined || node === undefined) {
    if ((kind === 'counter' || kind === 'gauge') && whole !== undefined && saysUnits !== true) {
      problems.atObject('warning', whole.node, `unit is missing for a ${kind}; write "1" if it has none`, device);
    }
    return null;
  }
  const stated = String(stating.settings['unit']);
  const { code, known } = ucum(stated);
  const told = (message: string): void =>
    problems.atValue('warning', node, `unit is ${quoted(stated)}; ${message}`, device);
  if (!known) {
    const meant = nearestUnit(stated);
    const hint = meant === undefined ? '' : `; did you mean ${quoted(meant)}?`;
    told(
      `not a unit that is known here; it is passed on as it stands (UCUM codes and the usual spellings are known)${hint}`,
    );
  }
  if (kind === 'gauge' && /^(?:[kMG]?W\.h|m3)$/.test(code))
    told('usual for a total; if this is one, write "kind": "counter"');
  return code;
}

function without(settings: Settings, keys: ReadonlySet<string>): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !keys.has(key)));
}

const stated = (asset: AssetConfig): object =>
  Object.fromEntries(Object.entries(asset).filter(([, value]) => value !== null));
