import type { PointInfo } from '../../agent/reading.ts';
import type { LinkDemand, PointTiming } from '../driver.ts';
import { defaults } from './defaults.ts';
import type { OpcUaPlan } from './plan.ts';

/** What a plan asks of its server. What is due at once is asked in one request, in as many as it takes of `mostAtOnce` nodes each. */
export function demandOf(plan: OpcUaPlan, timingOf: (point: PointInfo) => PointTiming): LinkDemand {
  const points = plan.devices.flatMap((device) => device.points);
  const subscriptions = counted(points.flatMap(({ subscribed }) => subscribed?.publishingMs ?? [])).map(
    ([publishingMs, count]) => ({ publishingMs, points: count }),
  );
  const polled = counted(points.flatMap(({ subscribed, info }) => (subscribed ? [] : timingOf(info).everyMs))).map(
    ([everyMs, count]) => ({ everyMs, points: count }),
  );
  const published = subscriptions.reduce((sum, { publishingMs }) => sum + 1_000 / publishingMs, 0);
  const read = polled.reduce(
    (sum, { everyMs, points: count }) => sum + (Math.ceil(count / defaults.mostAtOnce) * 1_000) / everyMs,
    0,
  );
  return { subscriptions, polled, requestsPerSecond: published + read + 1_000 / defaults.lookMs };
}

/** How often each stands there, the smallest first. */
function counted(all: readonly number[]): (readonly [number, number])[] {
  const groups = [...Map.groupBy(all, (each) => each)].map(([each, same]) => [each, same.length] as const);
  return groups.toSorted(([a], [b]) => a - b);
}
