import type { OpcUaPoint } from './plan.ts';

/** NodeIds that name an element of an array, as people write it; some servers do have nodes of such names. */
const element = /^(?<array>.+)\[(?<index>\d+(?:,\s?\d+)*)\]$/;

/** How the element of an array is stated that such a NodeId means, if the server has no such node; null: it means none. */
export function elementHint(nodeId: string): string | null {
  const { array, index = '' } = element.exec(nodeId)?.groups ?? {};
  if (array === undefined) return null;
  const stated = index.includes(',') ? JSON.stringify(index.replaceAll(' ', '')) : index;
  return `an element of an array is a node and an index: "nodeId": ${JSON.stringify(array)}, "index": ${stated}`;
}

/** Of points whose nodes the server does not have, what may be meant; null: nothing is known of any. */
export function elementHints(points: readonly OpcUaPoint[]): string | null {
  const hints = points.flatMap(({ info, node, index }) => {
    const hint = 'nodeId' in node && index === null ? elementHint(node.text) : null;
    return hint === null ? [] : [`${info.device} ${info.point}: the server has no ${node.text}; ${hint}`];
  });
  const [first] = hints;
  if (first === undefined) return null;
  return hints.length === 1 ? first : `${first} (${hints.length - 1} more like that)`;
}
