import { quoted, type Problems } from './problems.ts';
import { items, properties, type Node } from './source.ts';

/** JSON lets the last of two equal keys win silently. */
export function tellDoubles(node: Node, problems: Problems): void {
  const first = new Map<string, Node>();
  for (const { key, keyNode, value } of node.type === 'object' ? properties(node) : []) {
    const before = first.get(key);
    if (before === undefined) first.set(key, keyNode);
    else problems.atKey('error', keyNode, `${quoted(key)} stands twice; first at ${problems.place(before)}`);
    tellDoubles(value, problems);
  }
  for (const item of items(node)) tellDoubles(item, problems);
}
