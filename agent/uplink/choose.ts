import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SiteConfig } from '../config/site-config.ts';
import type { UplinkFactory } from './uplink.ts';

/** The uplink that the configuration names; its library is loaded only then. */
export async function chooseUplink(uplink: SiteConfig['uplink']): Promise<UplinkFactory> {
  if ('file' in uplink) {
    const { fileUplink } = await import('./file.ts');
    return fileUplink({ path: uplink.file.path });
  }
  const { kafkaUplink } = await import('./kafka.ts');
  const { tls, sasl, ...rest } = uplink.kafka;
  return kafkaUplink({
    ...rest,
    tls: tls && {
      ...pem('ca', tls.ca),
      ...pem('cert', tls.cert),
      ...pem('key', tls.key),
      ...(tls.serverName === null ? {} : { serverName: tls.serverName }),
    },
    sasl: sasl && { mechanism: sasl.mechanism, username: sasl.username, password: () => sasl.password.reveal() },
  });
}

/** Equal as long as an uplink built now would do the same: secrets and certificate files count by their content. */
export function uplinkIdentity(uplink: SiteConfig['uplink']): string {
  const hash = createHash('sha256').update(JSON.stringify(uplink));
  if ('kafka' in uplink) {
    const { tls, sasl } = uplink.kafka;
    hash.update(sasl?.password.reveal() ?? '');
    for (const path of [tls?.ca, tls?.cert, tls?.key]) hash.update(path ? readFileSync(path) : '');
  }
  return hash.digest('hex');
}

function pem<Name extends string>(name: Name, path: string | null): Partial<Record<Name, string>> {
  return path === null ? {} : ({ [name]: readFileSync(path, 'utf8') } as Record<Name, string>);
}
