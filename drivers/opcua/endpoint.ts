import { splitHostPort } from '../../agent/config/grammar.ts';
import { defaults } from './defaults.ts';

/** `opc.tcp://HOST[:PORT][/PATH]` → its parts; undefined: it is none. */
export function splitEndpoint(
  url: string,
): { readonly host: string; readonly port: number; readonly path: string } | undefined {
  const [, authority = '', path = ''] = /^opc\.tcp:\/\/([^/\s]+)(\/[^\s]*)?$/i.exec(url) ?? [];
  if (authority === '') return undefined;
  const hasPort = /:\d+$/.test(authority) && !/^[^[]*:.*:/.test(authority);
  const parts = splitHostPort(hasPort ? authority : `${authority}:${defaults.port}`);
  return parts === undefined ? undefined : { ...parts, path };
}

/** With its port, as the library wants it. */
export function endpointUrl(url: string): string | undefined {
  const parts = splitEndpoint(url);
  if (parts === undefined) return undefined;
  const host = parts.host.includes(':') ? `[${parts.host}]` : parts.host;
  return `opc.tcp://${host}:${parts.port}${parts.path}`;
}
