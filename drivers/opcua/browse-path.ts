import type { PathStep } from './plan.ts';

/**
 * The way from the Objects folder to a node by browse names: `/2:Tank/2:Level`, or with namespaces by URI, `/nsu=urn:site:plc;Tank/nsu=urn:site:plc;Level`. A slash
 * in a name is written `&/` (OPC UA Part 4, A.2). undefined: it is none.
 */
export function parseBrowsePath(text: string): readonly PathStep[] | undefined {
  if (!text.startsWith('/')) return undefined;
  const steps = text
    .slice(1)
    .split(/(?<!&)\//)
    .map(stepOf);
  return steps.every((step) => step !== undefined) && steps.length > 0 ? steps : undefined;
}

function stepOf(text: string): PathStep | undefined {
  const [, uri, index = '0', name = ''] = /^(?:nsu=([^;]+);|(\d{1,5}):)?(.+)$/s.exec(text) ?? [];
  if (name === '' || /^(?:\d+:|nsu=[^;]*;)$/.test(text) || Number(index) > 65_535) return undefined;
  return { uri: uri ?? null, index: Number(index), name: name.replaceAll(/&(.)/g, '$1') };
}
