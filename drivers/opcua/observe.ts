import type { Stamp } from '../../agent/clock.ts';
import { observationOf, unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { OpcUaPoint } from './plan.ts';
import { datePushed, dateRead } from './times.ts';
import { elementOf, qualityOf, valueOf } from './values.ts';
import type { Seen } from './wire.ts';

/** What a read brought. `asked`: when the request went out. */
export function observeRead(point: OpcUaPoint, seen: Seen, asked: Stamp, at: Stamp): Observation {
  return { ...valued(point, seen, at), ...dateRead(seen, asked, at) };
}

/** What the server sent by itself, every `publishingMs`. */
export function observePushed(point: OpcUaPoint, seen: Seen, at: Stamp, publishingMs: number): Observation {
  return { ...valued(point, seen, at), ...datePushed(seen, at, publishingMs) };
}

/** Values before this one are gone: that is said first, at the same time. A gap is told as a gap. */
export const afterGap = ({ point, timeMs, timeSource, deviceTimeMs, at }: Observation): Observation => ({
  ...unanswered(point, 'BadDataLost', at),
  timeMs,
  timeSource,
  deviceTimeMs,
});

/** There were values, and they are gone. */
export const lostData = ({ info }: OpcUaPoint, at: Stamp): Observation => unanswered(info, 'BadDataLost', at);

function valued({ info, index, rules }: OpcUaPoint, { wire, status }: Seen, at: Stamp): Observation {
  const element = elementOf(wire, index);
  const isMissing = wire !== null && element === null && qualityOf(status.code) !== 'bad';
  const one = isMissing
    ? { value: null, text: null, quality: 'bad' as const, status: 'BadIndexRangeNoData' }
    : valueOf(element, status, rules);
  return observationOf(info, at, one);
}
