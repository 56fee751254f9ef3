import { nearest } from '../../agent/config/nearest.ts';
import type { PlannedConnection, Report } from '../driver.ts';
import { typeOf } from './build-point.ts';
import type { PointSettings } from './build-point.ts';

type Device = PlannedConnection['devices'][number];

/** What is wrong with the points that others take a power of ten or a factor from. */
export function tellHelpers(device: Device, report: Report): void {
  const all = new Map(device.points.map(({ info, settings }) => [info.point, settings as PointSettings]));
  for (const [point, set] of all) {
    const { scaleFrom, factorFrom = [] } = set;
    if (typeOf(set) === 'string') continue;
    const tell = (key: 'scaleFrom' | 'factorFrom', name: string): void => {
      const found = faultOf(device, all, point, key, name);
      if (found !== undefined) report(found.severity, { device: device.id, point, key }, found.message);
    };
    if (scaleFrom !== undefined) tell('scaleFrom', scaleFrom);
    for (const name of new Set(factorFrom)) tell('factorFrom', name);
    const twice = factorFrom.find((name, at) => name === scaleFrom || factorFrom.indexOf(name) !== at);
    if (twice !== undefined) {
      const message = `factorFrom names "${twice}" ${twice === scaleFrom ? 'as scaleFrom does' : 'twice'}; keep one of them`;
      report('error', { device: device.id, point, key: 'factorFrom' }, message);
    }
  }
}

function faultOf(
  { leftOut }: Device,
  all: ReadonlyMap<string, PointSettings>,
  point: string,
  key: 'scaleFrom' | 'factorFrom',
  name: string,
): { severity: 'error' | 'warning'; message: string } | undefined {
  const error = (message: string) => ({ severity: 'error', message: `${key} names "${name}"; ${message}` }) as const;
  const helper = all.get(name);
  if (helper === undefined) {
    if (leftOut?.wrong.includes(name) === true) return undefined;
    if (leftOut?.disabled.includes(name) === true)
      return error('that point is switched off; it must be read for this one: leave out its "enabled": false');
    const meant = nearest(name, [...all.keys()]);
    const hint = meant === undefined ? 'allowed: the name of another point of it' : `did you mean \`${meant}\`?`;
    return error(`this device has no point of that name; ${hint}`);
  }
  if (name === point) return error('a point cannot be its own factor; name another point');
  if (helper.scaleFrom !== undefined || helper.factorFrom !== undefined)
    return error('that point takes a factor from others itself; allowed: a point without scaleFrom and factorFrom');
  const type = typeOf(helper);
  if (type === 'string' || type === 'bit' || helper.enum !== undefined)
    return error('allowed: a point that is a number, not a string, bit or enum');
  if (key === 'scaleFrom' && /^(?:uint|bcd|mod10k)/.test(type)) {
    const message = `${key} names "${name}", whose type ${type} cannot be negative; powers of ten mostly are int16`;
    return { severity: 'warning', message };
  }
  return undefined;
}
