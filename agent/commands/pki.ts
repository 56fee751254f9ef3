import { driverFor, registry } from '../../drivers/registry.ts';
import type { PkiConnection, PkiTools } from '../../drivers/pki.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { SluiceError } from '../errors.ts';
import type { CommandGroup } from './command.ts';

export const pki: CommandGroup = {
  name: 'pki',
  about: `The certificates of OPC UA connections: the gateway's own, and those of servers that it trusts.
They lie in pki/ of the state directory. No server is trusted by itself: it is refused first, and named for \`trust\`.`,
  commands: {
    list: {
      summary: 'all certificates, and when they expire',
      load: async () => (await import('./pki-list.ts')).pkiList,
    },
    trust: {
      summary: 'believes a server that was refused, or an authority',
      load: async () => (await import('./pki-trust.ts')).pkiTrust,
    },
    renew: {
      summary: 'a new certificate of the gateway itself',
      load: async () => (await import('./pki-renew.ts')).pkiRenew,
    },
  },
};

/** What manages the certificates, with the connections of the configuration that it serves. */
export async function pkiTools(
  config: SiteConfig,
): Promise<{ readonly tools: PkiTools; readonly connections: readonly PkiConnection[] }> {
  const entry = registry.families.find((one) => one.pki !== undefined);
  if (entry?.pki === undefined) throw new SluiceError('NO_PKI', 'no driver of this version has certificates');
  const served = config.connections.filter(({ driver }) => driverFor(driver) === entry);
  return { tools: await entry.pki(), connections: served };
}
