import { foreignText } from '../../foreign-text.ts';
import { nodeIdText } from '../node-id.ts';
import type { BrowseAsk, Browsed, Reference } from '../wire-space.ts';
import type { Talk } from './at-place.ts';

/** A node as it was met: at its shortest way from where the walk began. */
export interface Met {
  readonly at: number;
  /** The number of the node above; null: the walk began there. */
  readonly above: number | null;
  readonly depth: number;
  /** `ns=2;s=Tank.Level`. */
  readonly nodeId: string;
  /** `nsu=urn:site:plc;s=Tank.Level`. */
  readonly text: string;
  readonly name: string;
  /** `2:Level`. */
  readonly browseName: string;
  readonly nodeClass: number;
}

export interface Walked {
  readonly nodes: readonly Met[];
  /** Why there may be more: the limit, or whoever asked ended it. */
  readonly ended: 'limit' | 'signal' | null;
  /** Nodes at the last depth, which were not opened. */
  readonly unopened: number;
  /** Nodes that the server did not open, with its reason. */
  readonly refused: readonly { readonly text: string; readonly status: string }[];
}

export interface WalkRules {
  readonly depth: number;
  /** Of nodes. */
  readonly limit: number;
  readonly properties: boolean;
}

/** Nodes that are opened in one request, and references of each in one answer: small enough for slow servers, and for giving up in between. */
const mostTogether = 50;
const firstTogether = 5;
const mostReferences = 500;
const noContinuationPoints = 0x804b_0000;
/** Its hundreds of diagnostics are opened by who asks for them. */
const serverObject = 'ns=0;i=2253';
const hasProperty = 'ns=0;i=46';

/** Breadth first from a node; each node once. What the server keeps for an answer that went on is taken up or given back. */
export async function walk(
  from: string,
  rules: WalkRules,
  talk: Talk,
  progress: (nodes: number, depth: number) => void,
): Promise<Walked> {
  const nodes: Met[] = [];
  const known = new Set([from]);
  const refused: Walked['refused'][number][] = [];
  const { namespaces } = talk.wire;
  let open: { readonly nodeId: string; readonly at: number | null; readonly text: string }[] = [
    { nodeId: from, at: null, text: textOf(from, namespaces) },
  ];
  let ended: Walked['ended'] = null;
  let depth = 0;
  let together = firstTogether;
  while (open.length > 0 && depth < rules.depth && ended === null) {
    depth++;
    const below: typeof open = [];
    const take = (above: number | null, references: readonly Reference[]): boolean => {
      for (const reference of references) {
        if (known.has(reference.nodeId)) continue;
        if (!rules.properties && reference.type === hasProperty) continue;
        if (nodes.length >= rules.limit) return false;
        known.add(reference.nodeId);
        const text = textOf(reference.nodeId, namespaces);
        const { nodeId, index, name, displayName, nodeClass } = reference;
        const browseName = index === 0 ? name : `${index}:${name}`;
        nodes.push({
          at: nodes.length,
          above,
          depth,
          nodeId,
          text,
          name: foreignText(displayName || name),
          browseName,
          nodeClass,
        });
        if (nodeId !== serverObject && nodeClass !== 4) below.push({ nodeId, at: nodes.length - 1, text });
      }
      return true;
    };
    const waiting = [...open];
    let isAlone = false;
    while (waiting.length > 0 && ended === null) {
      const some = waiting.splice(0, isAlone ? 1 : Math.min(together, talk.wire.mostBrowses));
      try {
        const asks: BrowseAsk[] = some.map(({ nodeId }) => ({ nodeId, references: 'children' }));
        const answers = await talk.answer(talk.wire.browse(asks, mostReferences));
        // Where nodes have many below them, fewer are opened at once: what is beyond the limit was sent for nothing.
        const received = answers.reduce((sum, { references }) => sum + references.length, 0);
        together = received < mostReferences ? Math.min(mostTogether, together * 2) : Math.max(1, together >> 1);
        let isFull = false;
        for (const [at, node] of some.entries()) {
          const answer = answers[at];
          if (answer === undefined) continue;
          if (answer.status.code === noContinuationPoints && some.length > 1) {
            // It keeps so few answers open that these are asked alone.
            waiting.push(node);
            isAlone = true;
          } else if (answer.status.code >>> 30 === 2) refused.push({ text: node.text, status: answer.status.name });
          isFull = !(await takeAll(answer, node.at, isFull ? () => false : take, talk)) || isFull;
          progress(nodes.length, depth);
        }
        if (isFull) ended = 'limit';
      } catch (error) {
        if (!talk.signal.aborted) throw error;
      }
      if (talk.signal.aborted) ended = 'signal';
    }
    open = below;
  }
  return { nodes, ended, unopened: ended === null ? open.length : 0, refused };
}

/** An answer and all that goes on behind it, or gives it back. False: enough. */
async function takeAll(
  first: Browsed,
  above: number | null,
  take: (above: number | null, references: readonly Reference[]) => boolean,
  { wire, answer, signal }: Talk,
): Promise<boolean> {
  let next: Browsed | undefined = first;
  while (next !== undefined) {
    const isWanted: boolean = take(above, next.references);
    if (next.more === null) return isWanted;
    if (!isWanted || signal.aborted) {
      await wire.browseOn([next.more], true).catch(() => {});
      return isWanted;
    }
    [next] = await answer(wire.browseOn([next.more], false));
  }
  return true;
}

/** A NodeId with the URI of its namespace, as a configuration takes it. */
export function textOf(nodeId: string, namespaces: readonly string[]): string {
  const [, index = '0', identifier = nodeId] = /^ns=(\d+);(.*)$/s.exec(nodeId) ?? [];
  return nodeIdText(Number(index), identifier, namespaces);
}
