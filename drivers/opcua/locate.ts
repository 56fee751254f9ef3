import type { OpcUaPoint, PathStep } from './plan.ts';
import { resolveNodeId } from './node-id.ts';
import type { Target, Wire } from './wire.ts';
import type { BrowseName } from './wire-space.ts';

/** The folder that every browse path begins in (OPC UA Part 5, 8.2.4). */
export const objectsFolder = 'ns=0;i=85';

type Guide = Pick<Wire, 'namespaces' | 'mostPaths' | 'translate'>;

/** Whether it is found by a way of names: such a one may lead somewhere later, or elsewhere. */
export const isByPath = ({ node }: OpcUaPoint): boolean => 'browsePath' in node;

/** As `lookFor`; what leads nowhere is told. `browse`: the command that shows what there is. */
export async function locate(
  points: readonly OpcUaPoint[],
  wire: Guide,
  browse: string,
  log: (message: string) => void,
): Promise<ReadonlyMap<OpcUaPoint, Target | null>> {
  const found = await lookFor(points, wire, log);
  const lost = points.filter((point) => isByPath(point) && found.get(point) === null);
  if (lost.length > 0)
    log(
      `${lost
        .slice(0, 5)
        .map(({ info, node }) => `${info.device} ${info.point}: ${node.text} leads nowhere on this server`)
        .join(
          '; ',
        )}${lost.length > 5 ? `; ${lost.length - 5} more like that` : ''}; looked for again every minute; what there is: ${browse}`,
    );
  return found;
}

/** Where this server has each point; null: nowhere. What a path says twice is told. */
export async function lookFor(
  points: readonly OpcUaPoint[],
  wire: Guide,
  log: (message: string) => void,
): Promise<ReadonlyMap<OpcUaPoint, Target | null>> {
  const found = new Map<OpcUaPoint, Target | null>();
  const ways: { readonly point: OpcUaPoint; readonly text: string; readonly steps: readonly BrowseName[] }[] = [];
  for (const point of points) {
    const { node } = point;
    if ('nodeId' in node) {
      const nodeId = resolveNodeId(node.nodeId, wire.namespaces);
      found.set(point, nodeId === null ? null : { nodeId });
    } else {
      const steps = resolveSteps(node.browsePath, wire.namespaces);
      if (steps === null) found.set(point, null);
      else ways.push({ point, text: node.text, steps });
    }
  }
  for (let from = 0; from < ways.length; from += wire.mostPaths) {
    const some = ways.slice(from, from + wire.mostPaths);
    const answers = await wire.translate(some.map(({ steps }) => ({ start: objectsFolder, steps })));
    for (const [at, { point, text }] of some.entries()) {
      const targets = [...new Set(answers[at]?.targets ?? [])];
      const [first] = targets;
      found.set(point, first === undefined ? null : { nodeId: first });
      if (targets.length > 1)
        log(
          `${point.info.device} ${point.info.point}: ${text} leads to ${targets.length} nodes (${targets.slice(0, 4).join(', ')}); the first is read; state its nodeId`,
        );
    }
  }
  return found;
}

/** null: the server does not have a namespace of it. */
function resolveSteps(steps: readonly PathStep[], namespaces: readonly string[]): readonly BrowseName[] | null {
  const resolved = steps.map(({ uri, index, name }) => ({
    index: uri === null ? index : namespaces.indexOf(uri),
    name,
  }));
  return resolved.some(({ index }) => index === -1) ? null : resolved;
}
