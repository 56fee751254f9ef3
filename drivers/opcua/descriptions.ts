import type { OpcUaPoint } from './plan.ts';
import { completed, isSilent, namesOf, propertyNames, saidBy } from './server-says.ts';
import type { Properties, ServerSays } from './server-says.ts';
import type { Target, Wire } from './wire.ts';

type Asked = Pick<Wire, 'mostReads' | 'mostBrowses' | 'read' | 'browse' | 'browseOn'>;

/** OPC UA Part 6, A.1. */
const attributes = { dataType: 14, dataTypeDefinition: 23 } as const;
const enumeration = 'ns=0;i=29';
/** A node with more properties than this is none that says a unit. */
const mostProperties = 100;
/** So far up a type may stand below Enumeration. */
const mostSteps = 8;

/** What the server says of these points where their configuration is silent, by its own batches: for points that it says nothing of, nothing. */
export async function describe(
  found: ReadonlyMap<OpcUaPoint, Target | null>,
  wire: Asked,
  signal: AbortSignal,
): Promise<ReadonlyMap<OpcUaPoint, OpcUaPoint>> {
  const asked = [...found].flatMap(([point, target]) =>
    target === null || !isSilent(point) ? [] : [{ point, nodeId: target.nodeId }],
  );
  const nodeIds = [...new Set(asked.map(({ nodeId }) => nodeId))];
  const said = await propertiesOf(nodeIds, wire, signal);
  const types = await read(
    nodeIds.map((nodeId) => ({ nodeId, attributeId: attributes.dataType })),
    wire,
    signal,
  );
  const typeOf = new Map(nodeIds.map((nodeId, at) => [nodeId, nodeIdOf(types[at])]));
  const names = await namesOfTypes([...new Set(typeOf.values())], wire, signal);
  return new Map(
    asked.map(({ point, nodeId }) => [
      point,
      completed(point, saidBy(said.get(nodeId) ?? {}, names.get(typeOf.get(nodeId) ?? '') ?? null)),
    ]),
  );
}

/** The values of those properties that matter here. */
async function propertiesOf(
  nodeIds: readonly string[],
  wire: Asked,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Properties>> {
  const places: { readonly of: string; readonly name: string; readonly nodeId: string }[] = [];
  for (const some of batches(nodeIds, wire.mostBrowses)) {
    signal.throwIfAborted();
    const browsed = await wire.browse(
      some.map((nodeId) => ({ nodeId, references: 'properties' as const })),
      mostProperties,
    );
    const left = browsed.flatMap(({ more }) => more ?? []);
    if (left.length > 0) await wire.browseOn(left, true);
    for (const [at, { references }] of browsed.entries())
      for (const { index, name, nodeId } of references)
        if (index === 0 && propertyNames.some((each) => each === name))
          places.push({ of: some[at] ?? '', name, nodeId });
  }
  const values = await read(places, wire, signal);
  const said = new Map<string, Record<string, unknown>>();
  for (const [at, { of, name }] of places.entries()) said.set(of, { ...said.get(of), [name]: values[at] });
  return said;
}

/** Of types that are enumerations: what their numbers mean. Sets of options have definitions of the same form, whose numbers are bits. */
async function namesOfTypes(
  all: readonly string[],
  wire: Asked,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ServerSays['names']>> {
  const candidates = all.filter((type) => type !== '' && !/^ns=0;i=(?:[1-9]|[12]\d|30)$/.test(type));
  const types = await enumerationsAmong(candidates, wire, signal);
  if (types.length === 0) return new Map();
  const definitions = await read(
    types.map((nodeId) => ({ nodeId, attributeId: attributes.dataTypeDefinition })),
    wire,
    signal,
  );
  const properties = await propertiesOf(types, wire, signal);
  return new Map(
    types.map((type, at) => [
      type,
      namesOf({ ...properties.get(type) }) ?? namesOf((definitions[at] ?? {}) as Properties),
    ]),
  );
}

async function enumerationsAmong(
  types: readonly string[],
  wire: Asked,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found: string[] = [];
  let above = new Map(types.map((type) => [type, type]));
  for (let step = 0; step < mostSteps && above.size > 0; step++) {
    const next = new Map<string, string>();
    for (const some of batches([...above], wire.mostBrowses)) {
      signal.throwIfAborted();
      const browsed = await wire.browse(
        some.map(([, nodeId]) => ({ nodeId, references: 'supertype' as const })),
        1,
      );
      for (const [at, [type]] of some.entries()) {
        const parent = browsed[at]?.references[0]?.nodeId;
        if (parent === enumeration) found.push(type);
        else if (parent !== undefined) next.set(type, parent);
      }
    }
    above = next;
  }
  return found;
}

/** As the library writes it. */
const nodeIdOf = (value: unknown): string =>
  value instanceof Object ? (value as { toString(): string }).toString() : '';

/** Their values; undefined where the server has none. */
async function read(targets: readonly Target[], wire: Asked, signal: AbortSignal): Promise<readonly unknown[]> {
  const values: unknown[] = [];
  for (const some of batches(targets, wire.mostReads)) {
    const seen = await wire.read(some, signal);
    for (const { wire: one, status } of seen) values.push(status.code >>> 30 === 0 ? one?.value : undefined);
  }
  return values;
}

function batches<One>(all: readonly One[], most: number): One[][] {
  const some: One[][] = [];
  for (let from = 0; from < all.length; from += most) some.push(all.slice(from, from + most));
  return some;
}
