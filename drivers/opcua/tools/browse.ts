import { UsageError } from '../../../agent/errors.ts';
import type { BrowseOptions, Finding, ToolHost } from '../../tools.ts';
import { vanished } from '../items.ts';
import { objectsFolder } from '../locate.ts';
import type { OpcUaPlan } from '../plan.ts';
import { browseWords, nowhere, talkTo, whereIs } from './at-place.ts';
import type { Talk } from './at-place.ts';
import { attributes, detailsOf } from './details.ts';
import type { Detail } from './details.ts';
import { suggest } from './suggest.ts';
import { placeOfText, toolUrl } from './tool-url.ts';
import { walk } from './walk.ts';
import type { Met, Walked } from './walk.ts';

const usualDepth = 3;
/** Where something is looked for, it may lie deep. */
const deepest = 12;
const usualLimit = 2_000;
const classes: Readonly<Record<number, string>> = { 1: 'object', 2: 'variable', 4: 'method' };

/** Rejects with UsageError for a URL that cannot be meant, with LinkError where there is no session. */
export async function browse(url: string, options: BrowseOptions, host: ToolHost): Promise<Finding> {
  const asked = toolUrl(url, options.plan as OpcUaPlan | null);
  const { plan, place } = asked;
  if (place !== null) throw new UsageError(`a URL with a node is for probe; to begin there: --under '${place.text}'`);
  const under = options.under === null || options.under === '/' ? null : placeOfText(options.under);
  return talkTo(plan, host, async (talk) => {
    const target = under === null ? { nodeId: objectsFolder } : await whereIs(under, talk, host);
    if (target === null || (under !== null && !(await isThere(target.nodeId, talk))))
      return {
        ok: false,
        json: [],
        parts: [],
        notes: under === null ? [] : [nowhere(under, talk, browseWords(asked, host))],
      };
    const isSearch = options.match !== null || options.points;
    const depth = options.depth ?? (isSearch ? deepest : usualDepth);
    const limit = options.limit ?? usualLimit;
    const walked = await walk(target.nodeId, { depth, limit, properties: options.properties }, talk, (nodes, at) =>
      host.progress(`${nodes} nodes, ${at} deep`),
    );
    const chosen = walked.nodes.filter((node) => isWanted(node, options));
    const details = await detailsByNode(chosen, options, talk, host);
    host.progress('');
    return foundOf(walked, chosen, details, options, { depth, limit });
  });
}

async function isThere(nodeId: string, { wire, answer, signal }: Talk): Promise<boolean> {
  const [seen] = await answer(wire.read([{ nodeId, attributeId: attributes.displayName }], signal));
  return !vanished.test(seen?.status.name ?? '');
}

function isWanted({ name, browseName, text, nodeClass }: Met, { match, type, points }: BrowseOptions): boolean {
  if ((points || type !== null) && classes[nodeClass] !== (points ? 'variable' : type)) return false;
  const words = match?.toLowerCase();
  return words === undefined || [name, browseName, text].some((each) => each.toLowerCase().includes(words));
}

async function detailsByNode(
  chosen: readonly Met[],
  { values, points }: BrowseOptions,
  talk: Talk,
  host: ToolHost,
): Promise<ReadonlyMap<number, Detail>> {
  const variables = chosen.filter(({ nodeClass }) => nodeClass === 2);
  const details = await detailsOf(variables, values || points, talk, host);
  return new Map(variables.flatMap(({ at }, index) => (details[index] === undefined ? [] : [[at, details[index]]])));
}

function foundOf(
  walked: Walked,
  chosen: readonly Met[],
  details: ReadonlyMap<number, Detail>,
  options: BrowseOptions,
  rules: { readonly depth: number; readonly limit: number },
): Finding {
  const { nodes } = walked;
  const notes = notesOf(walked, chosen.length, rules);
  if (options.points) {
    const points = suggest(
      chosen.map((node) => {
        const detail = details.get(node.at);
        const { info, rules: said } = detail?.point ?? {};
        return {
          text: node.text,
          names: namesOf(node, nodes),
          type: detail?.type ?? '',
          isArray: detail?.isArray ?? false,
          unit: info?.unit ?? null,
          isNamed: (said?.enum ?? null) !== null,
        };
      }),
    );
    return { ok: points.length > 0, json: points, parts: [pasted(points)], notes };
  }
  const shown = new Set(chosen.map(({ at }) => at));
  for (const { above } of chosen)
    for (let at = above; at !== null && !shown.has(at); at = nodes[at]?.above ?? null) shown.add(at);
  return {
    ok: chosen.length > 0,
    json: chosen.map((node) => jsonOf(node, nodes, details.get(node.at), options.values)),
    parts: shown.size === 0 ? [] : [treeOf(nodes, shown, details, options.values)],
    notes,
  };
}

/** What is not in the answer, and how to see it: on standard error, so that the answer can be kept. */
function notesOf(
  { nodes, ended, unopened, refused }: Walked,
  chosen: number,
  { depth, limit }: { depth: number; limit: number },
): string[] {
  const notes = [
    ...refused.slice(0, 5).map(({ text, status }) => `${text} was not opened by the server: ${status}`),
    ...(refused.length > 5 ? [`${refused.length - 5} more were not opened`] : []),
  ];
  if (ended === 'limit')
    notes.push(`ended at ${limit} nodes, there are more; narrow it with --under NODE, or allow more with --limit N`);
  if (ended === 'signal') notes.push(`ended early, after ${nodes.length} nodes`);
  if (unopened > 0) notes.push(`${unopened} nodes at depth ${depth} were not opened; deeper: --depth N`);
  if (nodes.length === 0 && refused.length === 0)
    notes.push('there is nothing below it; a value is shown by sluice probe, properties by --properties');
  else if (chosen === 0) notes.push(`nothing found among ${nodes.length} nodes`);
  return notes;
}

function namesOf(node: Met, nodes: readonly Met[]): string[] {
  const names = [node.name];
  for (let { above } = node; above !== null; above = nodes[above]?.above ?? null)
    names.unshift(nodes[above]?.name ?? '');
  return names;
}

function jsonOf(node: Met, nodes: readonly Met[], detail: Detail | undefined, values: boolean): object {
  const { depth, text, name, browseName, nodeClass } = node;
  const { observation } = detail ?? {};
  return {
    nodeId: text,
    names: namesOf(node, nodes),
    name,
    browseName,
    depth,
    class: classes[nodeClass] ?? 'other',
    type: detail?.type ?? null,
    array: detail?.isArray ?? null,
    ...(values && {
      value: observation?.value ?? null,
      text: observation?.text ?? null,
      unit: observation?.point.unit ?? null,
      quality: observation?.quality ?? null,
      status: observation?.status ?? null,
    }),
  };
}

function treeOf(
  nodes: readonly Met[],
  shown: ReadonlySet<number>,
  details: ReadonlyMap<number, Detail>,
  values: boolean,
): NonNullable<Finding['parts'][number]> {
  const below = Map.groupBy(
    nodes.filter(({ at }) => shown.has(at)),
    ({ above }) => above,
  );
  const rows: string[][] = [];
  const add = (above: number | null): void => {
    for (const node of below.get(above) ?? []) {
      const detail = details.get(node.at);
      const type =
        detail === undefined
          ? node.nodeClass === 2
            ? ''
            : (classes[node.nodeClass] ?? '')
          : `${detail.type}${detail.isArray ? '[]' : ''}`;
      rows.push([
        `${'  '.repeat(node.depth - 1)}${node.name}`,
        node.text,
        type,
        ...(values ? [valueText(detail)] : []),
      ]);
      add(node.at);
    }
  };
  add(null);
  return { head: ['name', 'nodeId', 'type', ...(values ? ['value'] : [])], rows };
}

/** `5 m`, `2 automatic`, `BadDeviceFailure`. */
export function valueText(detail: Detail | undefined): string {
  const { observation, isArray = false } = detail ?? {};
  if (observation === undefined || observation === null) return '';
  if (isArray) return `${elementsOf(detail)} elements`;
  const { value, text, quality, status, point } = observation;
  if (quality === 'bad') return status;
  const said = [value === null ? null : String(value), text, point.unit].filter((each) => each !== null).join(' ');
  return quality === 'good' ? said : `${said} (${status})`;
}

function elementsOf(detail: Detail | undefined): number {
  const value = detail?.seen?.wire?.value;
  return value === null || value === undefined ? 0 : Array.from(value as ArrayLike<unknown>).length;
}

function pasted(points: readonly object[]): string {
  const lines = points.map((point) => {
    const pairs = Object.entries(point).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
    return `  { ${pairs.join(', ')} }`;
  });
  return points.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n]`;
}
