import * as v from 'valibot';
import { UsageError } from '../../../agent/errors.ts';
import { parseBrowsePath } from '../browse-path.ts';
import { buildPlan } from '../build-plan.ts';
import { endpointUrl } from '../endpoint.ts';
import { parseNodeId } from '../node-id.ts';
import type { OpcUaPlan, Place } from '../plan.ts';
import { opcuaSchema } from '../schema.ts';

/** What a URL of a tool names. */
export interface ToolUrl {
  readonly plan: OpcUaPlan;
  /** null: the server itself. */
  readonly place: Place | null;
  /** What is typed to come to the same server, fit for a shell; null: the connection of the configuration. */
  readonly typed: string | null;
}

/** Keys of a connection that a URL may state. Users and certificates are a configuration's: a command line is seen by everybody on the machine. */
const connectionKeys = ['securityMode', 'securityPolicy', 'timeout'] as const;
const form = 'opc.tcp://HOST:PORT?nodeId=nsu=URI;s=NAME';

/**
 * `opc.tcp://host:4840/path?securityMode=Sign&nodeId=nsu=urn:site:plc;s=Tank.Level`. Values stand as in a configuration; only `%26` is read as `&`.
 * `configured`: the plan of a connection, whose user and security hold then. Throws UsageError.
 */
export function toolUrl(text: string, configured: OpcUaPlan | null): ToolUrl {
  const [, whole = '', query] = /^([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const { url, nodeId } = takenApart(whole);
  const keys = keysOf(query ?? '');
  if (nodeId !== null && keys.has('nodeId')) throw new UsageError('the URL names a node twice; keep one of them');
  const place = placeOf(nodeId === null ? keys : new Map([...keys, ['nodeId', nodeId]]));
  if (configured === null) return { plan: planOf(url, keys), place, typed: typedAs(url, keys) };
  const stray = connectionKeys.find((key) => keys.has(key));
  if (stray !== undefined)
    throw new UsageError(`${stray} stands in the URL, and the connection of the configuration has its own; drop it`);
  if (url !== '' && endpointUrl(url) !== configured.endpoint)
    throw new UsageError(
      `${url} is not the endpoint of connection ${configured.connection} (${configured.endpoint}), whose user and keys are for that one; leave the URL out`,
    );
  return { plan: configured, place, typed: null };
}

/** A NodeId that is written like a path is what is meant by it: `opc.tcp://host:4840/ns=2;s=Level`. */
function takenApart(whole: string): { readonly url: string; readonly nodeId: string | null } {
  const [, url = '', nodeId = ''] = /^([^/]*\/\/.*?)\/((?:nsu=.+?;|ns=\d+;)?[isgb]=.+)$/s.exec(whole) ?? [];
  return parseNodeId(nodeId) === undefined ? { url: whole, nodeId: null } : { url, nodeId };
}

function typedAs(url: string, keys: ReadonlyMap<string, string>): string {
  const stated = connectionKeys.flatMap((key) => (keys.has(key) ? [`${key}=${keys.get(key)}`] : []));
  return stated.length === 0 ? url : `'${url}?${stated.join('&')}'`;
}

function planOf(url: string, keys: ReadonlyMap<string, string>): OpcUaPlan {
  const stated = [['endpoint', url] as const, ...connectionKeys.map((key) => [key, keys.get(key)] as const)];
  const settings: Record<string, unknown> = {};
  for (const [key, value] of stated) {
    if (value === undefined) continue;
    const entry = opcuaSchema.connections['opcua']?.[key] as v.GenericSchema;
    const { issues, output } = v.safeParse(entry, value);
    if (issues !== undefined)
      throw new UsageError(`${key} is ${JSON.stringify(value)}; ${issues[0].message} (${form})`);
    settings[key] = output;
  }
  return buildPlan({ id: 'tool', driver: 'opcua', settings, devices: [] }, (severity, _place, message) => {
    if (severity === 'error') throw new UsageError(message);
  });
}

function keysOf(query: string): ReadonlyMap<string, string> {
  const allowed = [...connectionKeys, 'nodeId', 'browsePath'];
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return [
        pair.slice(0, at === -1 ? undefined : at),
        at === -1 ? '' : pair.slice(at + 1).replaceAll('%26', '&'),
      ] as const;
    });
  for (const [key] of pairs)
    if (!allowed.includes(key))
      throw new UsageError(
        `${JSON.stringify(key)} is no key here; allowed: ${allowed.join(', ')}; users and certificates by --config FILE --connection NAME`,
      );
  return new Map(pairs);
}

function placeOf(keys: ReadonlyMap<string, string>): Place | null {
  const nodeId = keys.get('nodeId');
  const browsePath = keys.get('browsePath');
  if (nodeId !== undefined && browsePath !== undefined)
    throw new UsageError('nodeId and browsePath exclude each other; keep one of them');
  const text = nodeId ?? browsePath;
  return text === undefined ? null : placeOfText(text);
}

/** A NodeId, or a browse path: it begins with a slash. Throws UsageError. */
export function placeOfText(text: string): Place {
  const browsePath = text.startsWith('/') ? parseBrowsePath(text) : undefined;
  const nodeId = text.startsWith('/') ? undefined : parseNodeId(text);
  if (browsePath !== undefined) return { browsePath, text };
  if (nodeId !== undefined) return { nodeId, text };
  throw new UsageError(
    `${JSON.stringify(text)} is no NodeId and no browse path; allowed: nsu=URI;s=NAME, ns=2;i=7, or /2:Tank/2:Level; in a shell it stands in quotes`,
  );
}
