import type { Observation } from '../../../agent/reading.ts';
import { foreignText } from '../../foreign-text.ts';
import type { ToolHost } from '../../tools.ts';
import { describe } from '../descriptions.ts';
import { observeRead } from '../observe.ts';
import type { OpcUaPoint } from '../plan.ts';
import { builtIn } from '../values.ts';
import type { Seen, Target } from '../wire.ts';
import { parseNodeId } from '../node-id.ts';
import { pointAt } from './at-place.ts';
import type { Talk } from './at-place.ts';

/** A variable, and what a reading of it would be. */
export interface Detail {
  /** `Double`, or the name of a type that the server has made. */
  readonly type: string;
  readonly isArray: boolean;
  /** null: not asked for. */
  readonly seen: Seen | null;
  readonly point: OpcUaPoint;
  readonly observation: Observation | null;
}

/** OPC UA Part 6, A.1. */
export const attributes = {
  displayName: 4,
  description: 5,
  value: 13,
  dataType: 14,
  valueRank: 15,
  accessLevel: 17,
} as const;

const typeNames = new Map(Object.entries(builtIn).map(([name, id]) => [`ns=0;i=${id}`, name]));

/** BaseDataType, Number, Integer, UInteger. */
const isAbstract = /^ns=0;i=2[4678]$/;

/** Types of variables; with `values` also what they hold, and what the server says of units, names and ranges. In the order of the question. */
export async function detailsOf(
  variables: readonly { readonly nodeId: string; readonly text: string }[],
  values: boolean,
  talk: Talk,
  host: ToolHost,
): Promise<readonly Detail[]> {
  const targets = variables.map(({ nodeId }) => ({ nodeId }));
  const types = (await readAll(targets, attributes.dataType, talk, host, 'types')).map(writtenIn);
  const ranks = await readAll(targets, attributes.valueRank, talk, host, 'types');
  const names = await namesOf([...new Set(types)], talk, host);
  const points = variables.map(({ nodeId, text }) =>
    pointAt({ nodeId: parseNodeId(text) ?? { uri: null, index: 0, identifier: nodeId }, text }, text),
  );
  const found = new Map(points.map((point, at) => [point, targets[at] ?? null] as const));
  const asked = host.clock.now();
  const seen = values ? await readAll(targets, attributes.value, talk, host, 'values') : [];
  const described =
    values && !talk.signal.aborted ? await talk.answer(describe(found, talk.wire, talk.signal)) : new Map();
  const at = host.clock.now();
  return points.map((point, index) => {
    const one = seen[index];
    const complete = (described as ReadonlyMap<OpcUaPoint, OpcUaPoint>).get(point) ?? point;
    const rank: unknown = ranks[index]?.wire?.value;
    const type = types[index] ?? '';
    return {
      // Of an abstract type (Number) a value says which it is.
      type:
        (isAbstract.test(type) ? typeNames.get(`ns=0;i=${one?.wire?.dataType ?? 0}`) : undefined) ??
        names.get(type) ??
        type,
      isArray: one?.wire ? one.wire.isArray : typeof rank === 'number' && rank >= 0,
      seen: one ?? null,
      point: complete,
      observation: one === undefined ? null : observeRead(complete, one, asked, at),
    };
  });
}

async function namesOf(types: readonly string[], talk: Talk, host: ToolHost): Promise<ReadonlyMap<string, string>> {
  const own = types.filter((type) => type !== '' && !typeNames.has(type));
  const said = await readAll(
    own.map((nodeId) => ({ nodeId })),
    attributes.displayName,
    talk,
    host,
    'types',
  );
  return new Map([...typeNames, ...own.map((type, at) => [type, textIn(said[at]) ?? type] as const)]);
}

/** An attribute of all, in batches; fewer where the command was ended. */
export async function readAll(
  targets: readonly Target[],
  attributeId: number,
  { wire, answer, signal }: Talk,
  host: ToolHost,
  what: string,
): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (let from = 0; from < targets.length && !signal.aborted; from += wire.mostReads) {
    const some = targets.slice(from, from + wire.mostReads).map(({ nodeId }) => ({ nodeId, attributeId }));
    if (targets.length > some.length) host.progress(`${what}: ${seen.length} of ${targets.length}`);
    try {
      seen.push(...(await answer(wire.read(some, signal))));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
  return seen;
}

/** The text of a LocalizedText, made safe to print; null: it is none. */
export function textIn(seen: Seen | undefined): string | null {
  const value = seen?.wire?.value as { text?: unknown } | null | undefined;
  return typeof value?.text === 'string' ? foreignText(value.text) : null;
}

/** A NodeId or a qualified name, as the library writes it. */
export function writtenIn(seen: Seen | undefined): string {
  const value: unknown = seen?.wire?.value;
  return value instanceof Object ? (value as { toString(): string }).toString() : '';
}
