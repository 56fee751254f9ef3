import { driverFor, registry } from '../../drivers/registry.ts';
import type { PkiConnection, PkiTools } from '../../drivers/pki.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { SluiceError } from '../errors.ts';

/** What manages the certificates, with the connections of the configuration that it serves. */
export async function pkiTools(
  config: SiteConfig,
): Promise<{ readonly tools: PkiTools; readonly connections: readonly PkiConnection[] }> {
  const entry = registry.families.find((one) => one.pki !== undefined);
  if (entry?.pki === undefined) throw new SluiceError('NO_PKI', 'no driver of this version has certificates');
  const served = config.connections.filter(({ driver }) => driverFor(driver) === entry);
  return { tools: await entry.pki(), connections: served };
}
