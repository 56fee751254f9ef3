import { LinkError } from '../../../agent/errors.ts';
import type { PointInfo } from '../../../agent/reading.ts';
import { foreignText } from '../../foreign-text.ts';
import type { ToolHost } from '../../tools.ts';
import { elementHint } from '../element-hint.ts';
import { lookFor } from '../locate.ts';
import { browseCommand } from '../pki/refusal.ts';
import type { OpcUaPlan, OpcUaPoint, Place } from '../plan.ts';
import type { Target, Wire } from '../wire.ts';
import { openWire } from '../open-wire.ts';
import type { ToolUrl } from './tool-url.ts';

/** What a tool has of a server: one session, whose every question has a deadline. */
export interface Talk {
  readonly plan: OpcUaPlan;
  readonly wire: Wire;
  /** Fires with the command's own. */
  readonly signal: AbortSignal;
  /** Rejects with LinkError after the timeout of the plan, or when the command is to end. */
  readonly answer: <T>(work: Promise<T>) => Promise<T>;
}

/** Opens a session for `use`, and closes it. Rejects with LinkError. */
export async function talkTo<T>(plan: OpcUaPlan, host: ToolHost, use: (talk: Talk) => Promise<T>): Promise<T> {
  const wire = await openWire(plan, host, host.signal);
  const answer = async <A>(work: Promise<A>): Promise<A> => {
    const done = new AbortController();
    const late = host.clock.sleep(plan.timeoutMs, AbortSignal.any([done.signal, host.signal])).then(
      () => Promise.reject(new LinkError(`${plan.endpoint}: no answer within ${plan.timeoutMs} ms`)),
      () => Promise.reject(new LinkError('ended')),
    );
    work.catch(() => {});
    try {
      return await Promise.race([work, late]);
    } finally {
      done.abort(null);
    }
  };
  try {
    return await use({ plan, wire, signal: host.signal, answer });
  } finally {
    await wire.close();
  }
}

/** What shows the nodes of this server, to be typed. */
export const browseWords = ({ plan, typed }: ToolUrl, host: ToolHost): string =>
  typed === null ? browseCommand(plan.connection, host.home?.file) : `sluice browse ${typed}`;

/** That there is no such place, and what may be meant. `browse`: the command that shows what there is. */
export function nowhere(place: Place, { plan, wire }: Talk, browse: string): string {
  const { endpoint } = plan;
  const uri = 'nodeId' in place ? place.nodeId.uri : null;
  const hint = 'nodeId' in place ? elementHint(place.text) : null;
  const why =
    uri !== null && !wire.namespaces.includes(uri)
      ? `${endpoint} has no namespace ${uri}; it has ${wire.namespaces.map(foreignText).join(', ')}`
      : `${place.text} leads nowhere on ${endpoint}`;
  return `${why}${hint === null ? '' : `; ${hint}`}; what there is: ${browse}`;
}

/** A point as a configuration would have it that states nothing but the node. */
export function pointAt(place: Place, name: string): OpcUaPoint {
  const info: PointInfo = {
    hash: '',
    gateway: '',
    site: null,
    device: '',
    asset: null,
    serial: null,
    point: name,
    kind: 'gauge',
    unit: null,
    stream: 'sensor-values',
    map: '',
  };
  return {
    info,
    node: place,
    index: null,
    subscribed: null,
    rules: { enum: null, scale: 1, offset: 0, min: null, max: null },
  };
}

/** Where this server has the place; null: nowhere. What a path leads to twice is told. */
export async function whereIs(place: Place, { wire, answer }: Talk, host: ToolHost): Promise<Target | null> {
  const point = pointAt(place, place.text);
  const found = await answer(lookFor([point], wire, (message) => host.tell(message.trim())));
  return found.get(point) ?? null;
}
