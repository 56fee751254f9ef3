import type { Kind } from '../reading.ts';
import type { LocalTimes } from '../schedule/wall-slots.ts';
import { durationText } from './grammar.ts';
import type { Checked } from './inspect.ts';
import { nearest, type Levels } from './levels.ts';
import { quoted, type Problems } from './problems.ts';
import { defaultEveryMs, defaultWithinMs } from './site-config.ts';
import { child } from './source.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export interface Timing {
  readonly everyMs: number;
  readonly local: LocalTimes | null;
  readonly withinMs: number;
}

interface Owner {
  readonly device: string;
  /** null: not stated. */
  readonly timezone: string | null;
  readonly problems: Problems;
}

/** When a point is read. Tells what its timing keys say against each other. `pushed`: its values come by themselves, at no time of day. */
export function timingOf(levels: Levels, kind: Kind, owner: Owner, pushed = false): Timing {
  const everyMs = (nearest(levels, 'every', false) as number | undefined) ?? defaultEveryMs(kind);
  const atMs = (nearest(levels, 'at', false) as number | undefined) ?? 0;
  const within = nearest(levels, 'within', false) as number | undefined;
  const withinMs = Math.min(within ?? defaultWithinMs(everyMs), everyMs);
  const isLong = everyMs >= hourMs && !pushed;
  tellWithin(levels, owner);
  if (kind === 'counter' && within !== undefined && within > everyMs) tellWithinAfar(levels, everyMs, owner);
  if (!isLong && !pushed) tellUselessAt(levels, owner);
  if (isLong && owner.timezone === null) tellNoTimezone(levels, owner);
  return { everyMs, local: isLong ? { timezone: owner.timezone ?? 'UTC', atMs } : null, withinMs };
}

/** A serial number is read each day, whatever its device states. Tells timing keys of the point itself. */
export function dailyTiming({ own, inProfile }: Levels, { timezone, problems, device }: Owner): Timing {
  for (const level of [own, inProfile])
    for (const key of ['every', 'at', 'within']) {
      const node = level?.stated.has(key) === true ? child(level.node, key) : undefined;
      if (node === undefined) continue;
      const message = `${key} is ${quoted(node.value)}; a serial number is read at connect and daily; drop ${key}`;
      problems.atValue('error', node, message, device);
    }
  return { everyMs: dayMs, local: { timezone: timezone ?? 'UTC', atMs: 0 }, withinMs: defaultWithinMs(dayMs) };
}

const far = ({ device, profile, connection }: Levels): (Checked | undefined)[] => [device, profile, connection];
const all = (levels: Levels): (Checked | undefined)[] => [levels.own, levels.inProfile, ...far(levels)];

/** Where one object states both, `within` cannot be the longer one. */
function tellWithin(levels: Levels, { problems, device }: Owner): void {
  for (const level of all(levels)) {
    const { every, within } = (level?.settings ?? {}) as { every?: number; within?: number };
    const node = level === undefined ? undefined : child(level.node, 'within');
    if (node === undefined || every === undefined || within === undefined || within <= every) continue;
    const message = `within is ${quoted(node.value)}; longer than every beside it; allowed: at most every`;
    problems.atValue('error', node, message, device);
  }
}

/** From afar it is cut to `every`: other points may need it as it is. */
function tellWithinAfar(levels: Levels, everyMs: number, { problems, device }: Owner): void {
  const stating = all(levels).find((level) => level?.stated.has('within') === true && !level.faulty.has('within'));
  const node = stating === undefined ? undefined : child(stating.node, 'within');
  if (node === undefined || stating?.stated.has('every') === true) return;
  const message = `within is ${quoted(node.value)}; longer than every (${durationText(everyMs)}) of a counter it holds for: it ends there with every`;
  problems.atValue('warning', node, message, device);
}

/** `at` in a point whose `every` is short moves nothing; in a profile's point that a device reads more often it may stay. */
function tellUselessAt({ own, inProfile }: Levels, { problems, device }: Owner): void {
  for (const level of own?.stated.has('every') === true ? [own] : [own, inProfile]) {
    const node = level?.stated.has('at') === true ? child(level.node, 'at') : undefined;
    if (node === undefined) continue;
    const message = `at is ${quoted(node.value)}; every is under 1h here and counts from the full hour; drop at, or make every 1h or longer`;
    problems.atValue('error', node, message, device);
  }
}

/** `at` in a device serves its points with a long `every`; there must be one. */
export function tellIdleAt(device: Checked, timings: readonly Timing[], { problems, device: id }: Owner): void {
  const node = device.stated.has('at') ? child(device.node, 'at') : undefined;
  if (node === undefined || timings.length === 0 || timings.some(({ local }) => local !== null)) return;
  const message = `at is ${quoted(node.value)}; no point of this device has an every of 1h or longer; drop at, or make every 1h or longer`;
  problems.atValue('error', node, message, id);
}

function tellNoTimezone(levels: Levels, { problems, device }: Owner): void {
  const stating = all(levels).find((level) => level?.stated.has('every') === true && !level.faulty.has('every'));
  const node = stating === undefined ? undefined : child(stating.node, 'every');
  if (node === undefined) return;
  const message = `every is ${quoted(node.value)}; from 1h on readings follow the local time of the site; add "timezone" to site, e.g. "Europe/Madrid"`;
  problems.atValue('error', node, message, device);
}
