import { UsageError } from '../../../agent/errors.ts';
import { foreignText } from '../../foreign-text.ts';
import type { Finding, ProbeOptions, ToolHost } from '../../tools.ts';
import { vanished } from '../items.ts';
import type { OpcUaPlan, Place } from '../plan.ts';
import { plainNumber } from '../server-says.ts';
import type { Seen } from '../wire.ts';
import { browseWords, nowhere, talkTo, whereIs } from './at-place.ts';
import type { Talk } from './at-place.ts';
import { attributes, detailsOf, readAll, textIn, writtenIn } from './details.ts';
import { valueText } from './browse.ts';
import { suggest } from './suggest.ts';
import { toolUrl } from './tool-url.ts';
import { textOf } from './walk.ts';

/** NodeClass, BrowseName, UserAccessLevel, MinimumSamplingInterval (OPC UA Part 6, A.1). */
const more = { nodeClass: 2, browseName: 3, userAccessLevel: 18, minimumSamplingMs: 19 } as const;
const serverStatus = 'ns=0;i=2256';
const states = [
  'running',
  'failed',
  'no configuration',
  'suspended',
  'shutdown',
  'test',
  'communication fault',
  'unknown',
];

/** Everything about one node, and what a reading of it would be; without a node, about the server. */
export async function probe(
  url: string,
  { display, plan: configured }: ProbeOptions,
  host: ToolHost,
): Promise<Finding> {
  if (display !== null)
    throw new UsageError('--display is for registers; an OPC UA server says itself which type its values have');
  const asked = toolUrl(url, (configured ?? null) as OpcUaPlan | null);
  const { plan, place } = asked;
  const browse = browseWords(asked, host);
  return talkTo(plan, host, async (talk) => {
    if (place === null) return serverFound(talk, host, browse);
    const target = await whereIs(place, talk, host);
    if (target === null)
      return {
        ok: false,
        json: { endpoint: plan.endpoint, node: place.text, status: 'BadNodeIdUnknown' },
        parts: [nowhere(place, talk, browse)],
      };
    return nodeFound(target.nodeId, place, talk, host, browse);
  });
}

async function nodeFound(nodeId: string, place: Place, talk: Talk, host: ToolHost, browse: string): Promise<Finding> {
  const text = textOf(nodeId, talk.wire.namespaces);
  const one = async (attributeId: number): Promise<Seen | undefined> =>
    (await readAll([{ nodeId }], attributeId, talk, host, ''))[0];
  const nodeClass = await one(more.nodeClass);
  if (nodeClass === undefined || nodeClass.status.code >>> 30 === 2) {
    const status = nodeClass?.status.name ?? 'BadNoCommunication';
    return {
      ok: false,
      json: { endpoint: talk.plan.endpoint, nodeId: text, status },
      parts: [vanished.test(status) ? `${nowhere(place, talk, browse)} (${status})` : `${text}: ${status}`],
    };
  }
  const name = textIn(await one(attributes.displayName)) ?? '';
  const description = textIn(await one(attributes.description));
  const browseName = writtenIn(await one(more.browseName));
  const isVariable = nodeClass.wire?.value === 2;
  const rows: string[][] = [
    ['name', name],
    ['browse name', browseName],
    ...(description === null || description === '' ? [] : [['description', description]]),
  ];
  const base = { endpoint: talk.plan.endpoint, nodeId: text, name, browseName, description };
  if (!isVariable) {
    rows.push(['class', `no variable: it has no value; what is below it: ${browse} --under '${text}'`]);
    return { ok: true, json: { ...base, class: nodeClass.wire?.value ?? null }, parts: [text, { head: [], rows }] };
  }
  const [detail] = await detailsOf([{ nodeId, text }], true, talk, host);
  const access = (await one(more.userAccessLevel))?.wire?.value;
  const samplingMs = (await one(more.minimumSamplingMs))?.wire?.value;
  const { observation, seen, point, type = '', isArray = false } = detail ?? {};
  const isReadable = typeof access !== 'number' || (access & 1) === 1;
  const times = { sourceTimestamp: timeOf(seen?.sourceMs), serverTimestamp: timeOf(seen?.serverMs) };
  const { enum: names = null } = point?.rules ?? {};
  const [min, max] = [plainNumber(point?.rules.min ?? null), plainNumber(point?.rules.max ?? null)];
  rows.push(
    ['type', `${type}${isArray ? '[]' : ''}`],
    ['value', valueText(detail)],
    ['status', seen?.status.name ?? '-'],
    ['source timestamp', `${times.sourceTimestamp ?? 'none'}${ageText(seen?.sourceMs, host)}`],
    ['server timestamp', `${times.serverTimestamp ?? 'none'}${ageText(seen?.serverMs, host)}`],
    ['unit', point?.info.unit ?? 'none stated'],
    ['range', min === null && max === null ? 'none stated' : `${min ?? ''}…${max ?? ''}`],
    ...(names === null
      ? []
      : [
          [
            'names',
            Object.entries(names)
              .map(([key, word]) => `${key} ${word}`)
              .join(', '),
          ],
        ]),
    ['may be read', isReadable ? 'yes' : 'no, not by this user'],
    ...(typeof samplingMs === 'number' && samplingMs > 0 ? [['sampled at least every', `${samplingMs} ms`]] : []),
  );
  const [suggested] = suggest([
    { text, names: [name], type, isArray, unit: point?.info.unit ?? null, isNamed: names !== null },
  ]);
  const reading =
    observation === undefined || observation === null
      ? null
      : {
          value: observation.value,
          text: observation.text,
          unit: observation.point.unit,
          quality: observation.quality,
          status: observation.status,
          time: timeOf(observation.timeMs ?? observation.at.wallMs),
          timeSource: observation.timeSource,
          deviceTime: timeOf(observation.deviceTimeMs),
        };
  const shown = isArray
    ? 'An array: each element is a point of its own, by its index.'
    : `A reading of it, polled: ${JSON.stringify(reading)}`;
  return {
    ok: observation?.quality !== 'bad' || isArray,
    json: {
      ...base,
      type,
      array: isArray,
      ...times,
      status: seen?.status.name ?? null,
      readable: isReadable,
      min,
      max,
      names,
      reading,
      point: suggested,
    },
    parts: [text, { head: [], rows }, shown, `To paste: ${JSON.stringify(suggested)}`],
  };
}

const timeOf = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString();

/** ` (12 s ago)`; a clock ahead of ours is told as such. */
function ageText(ms: number | null | undefined, host: ToolHost): string {
  if (ms === null || ms === undefined) return '';
  const ageMs = host.clock.now().wallMs - ms;
  const [sizeMs, unit]: readonly [number, string] =
    Math.abs(ageMs) < 120_000 ? [1000, 's'] : Math.abs(ageMs) < 7_200_000 ? [60_000, 'min'] : [3_600_000, 'h'];
  const count = Math.round(Math.abs(ageMs) / sizeMs);
  return ageMs < -1_000 ? ` (${count} ${unit} ahead of the clock here)` : ` (${count} ${unit} ago)`;
}

async function serverFound(talk: Talk, host: ToolHost, browse: string): Promise<Finding> {
  const { wire, plan } = talk;
  const [seen] = await readAll([{ nodeId: serverStatus }], attributes.value, talk, host, '');
  const said = (seen?.wire?.value ?? {}) as {
    readonly state?: number;
    readonly startTime?: Date | null;
    readonly currentTime?: Date | null;
    readonly buildInfo?: {
      readonly productName?: string | null;
      readonly manufacturerName?: string | null;
      readonly softwareVersion?: string | null;
    };
  };
  const { buildInfo } = said;
  const product = [buildInfo?.manufacturerName, buildInfo?.productName, buildInfo?.softwareVersion]
    .filter((each) => each)
    .join(' ');
  const state = states[said.state ?? 7] ?? 'unknown';
  const limits = { reads: wire.mostReads, browses: wire.mostBrowses, monitoredItems: wire.mostItems };
  return {
    ok: true,
    json: {
      endpoint: plan.endpoint,
      product,
      state,
      startTime: said.startTime?.toISOString() ?? null,
      currentTime: said.currentTime?.toISOString() ?? null,
      namespaces: wire.namespaces,
      limits,
    },
    parts: [
      plan.endpoint,
      {
        head: [],
        rows: [
          ['product', foreignText(product)],
          ['state', state],
          ['runs since', said.startTime?.toISOString() ?? '-'],
          ['its clock', `${said.currentTime?.toISOString() ?? '-'}${ageText(said.currentTime?.getTime(), host)}`],
          ['in one request', `${limits.reads} reads, ${limits.monitoredItems} monitored items`],
          ...wire.namespaces.map((uri, at) => [at === 0 ? 'namespaces' : '', `${at}  ${foreignText(uri)}`]),
        ],
      },
      `A node: add '?nodeId=ns=2;s=NAME' to the URL, in quotes. What there is: ${browse}`,
    ],
  };
}
