import { resolveNodeId } from './node-id.ts';
import type { OpcUaPlan, OpcUaPoint, PathStep } from './plan.ts';
import { simulatedValue } from './simulated-values.ts';
import type { SimulatedValue } from './simulated-values.ts';
import type { BrowseName } from './wire-space.ts';

export const standardUri = 'http://opcfoundation.org/UA/';
/** What a simulated server calls itself; its own namespace, the second one, bears the name too. */
export const simulatedUri = 'urn:sluice:simulated';
/** More elements than this no simulated array has. */
const mostElements = 10_000;

/** One variable of a simulated server, for one point or for several that are elements of it. */
export interface SimulatedNode {
  readonly where: { readonly nodeId: string } | { readonly path: readonly BrowseName[] };
  /** The device and the name of its first point. */
  readonly device: string;
  readonly name: string;
  /** null: it is no array. */
  readonly dimensions: readonly number[] | null;
  /** Of a scalar one, at 0; of an array those that points ask for, by their place row by row. */
  readonly elements: ReadonlyMap<number, SimulatedValue>;
  /** Of the first of its elements; all have its type. */
  readonly first: SimulatedValue;
}

export interface SimulatedLayout {
  /** From index 0. */
  readonly namespaces: readonly string[];
  readonly nodes: readonly SimulatedNode[];
}

/** The namespaces and variables that a server must have so that each point of the plan finds its value. */
export function layoutOf(plan: OpcUaPlan, seed: number): SimulatedLayout {
  const points = plan.devices.flatMap((device) => device.points);
  const namespaces = namespacesOf(points);
  const byPlace = new Map<string, { readonly where: SimulatedNode['where']; readonly points: OpcUaPoint[] }>();
  for (const point of points) {
    const where = whereOf(point, namespaces);
    const key = JSON.stringify(where);
    const known = byPlace.get(key);
    if (known === undefined) byPlace.set(key, { where, points: [point] });
    else known.points.push(point);
  }
  return { namespaces, nodes: [...byPlace.values()].map((node) => nodeOf(node.where, node.points, seed)) };
}

/** Those with a name in the order in which they are met; an index that somebody states is there. */
function namespacesOf(points: readonly OpcUaPoint[]): readonly string[] {
  const parts: readonly Pick<PathStep, 'uri' | 'index'>[] = points.flatMap(
    ({ node }): readonly Pick<PathStep, 'uri' | 'index'>[] => ('nodeId' in node ? [node.nodeId] : node.browsePath),
  );
  const named = new Set([standardUri, simulatedUri, ...parts.flatMap(({ uri }) => uri ?? [])]);
  const highest = parts.reduce((most, { uri, index }) => (uri === null ? Math.max(most, index) : most), 0);
  const found = [...named];
  while (found.length <= highest) found.push(`${simulatedUri}:${found.length}`);
  return found;
}

function whereOf({ node }: OpcUaPoint, namespaces: readonly string[]): SimulatedNode['where'] {
  if ('nodeId' in node) return { nodeId: resolveNodeId(node.nodeId, namespaces) ?? '' };
  return {
    path: node.browsePath.map(({ uri, index, name }) => ({
      index: uri === null ? index : namespaces.indexOf(uri),
      name,
    })),
  };
}

function nodeOf(where: SimulatedNode['where'], points: readonly OpcUaPoint[], seed: number): SimulatedNode {
  const [one] = points;
  if (one === undefined) throw new Error('a node of no point');
  const values = points.map((point) => ({ index: point.index, value: simulatedValue(point, seed) }));
  const first = simulatedValue(one, seed);
  const { length } = one.index ?? [];
  const most = Math.floor(mostElements ** (1 / Math.max(1, length)));
  const indices = points.flatMap(({ index }) => (index?.length === length ? [index] : []));
  const dimensions =
    one.index?.map((_, at) => Math.min(most, 1 + Math.max(...indices.map((index) => index[at] ?? 0)))) ?? null;
  const elements = new Map<number, SimulatedValue>();
  for (const { index, value } of values) {
    const at = placeOf(index ?? [], dimensions ?? []);
    if (at !== null && !elements.has(at) && value.type === first.type) elements.set(at, value);
  }
  return { where, device: one.info.device, name: one.info.point, dimensions, elements, first };
}

/** Row by row; null: it is none of them. */
function placeOf(index: readonly number[], dimensions: readonly number[]): number | null {
  if (index.length !== dimensions.length || index.some((at, dimension) => at >= (dimensions[dimension] ?? 0)))
    return null;
  return index.reduce((place, each, dimension) => place * (dimensions[dimension] ?? 0) + each, 0);
}
