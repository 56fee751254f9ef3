import type { Checked } from './inspect.ts';
import type { Labels } from './site-config.ts';

/** Where the settings of one point may stand, nearest first. `own`: with the device; `inProfile`: the profile's point of that name. */
export interface Levels {
  readonly own: Checked | undefined;
  readonly inProfile: Checked | undefined;
  readonly device: Checked;
  readonly profile: Checked | undefined;
  readonly connection: Checked;
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

/** Point > device > profile > connection > default; a point stated in a profile is a point. */
export function nearest(levels: Levels, key: string, pointOnly: boolean): unknown {
  const { own, inProfile, device, profile, connection } = levels;
  const order = pointOnly ? [own, inProfile] : [own, inProfile, device, profile, connection];
  const stating = order.find((level) => level?.stated.has(key) === true && !level.faulty.has(key));
  return stating === undefined
    ? order.find((level) => level?.settings[key] !== undefined)?.settings[key]
    : stating.settings[key];
}

/** The labels that one object states. */
export function labelsAt(checked: Checked | undefined): Labels {
  return (checked?.settings['labels'] as Labels | undefined) ?? {};
}
