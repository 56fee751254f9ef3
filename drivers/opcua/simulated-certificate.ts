import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../agent/clock.ts';
import { PkiFolder } from './pki/folder.ts';
import { selfSigned } from './pki/make-own.ts';
import { keyFile, ownOrMade } from './pki/own.ts';
import { simulatedUri } from './simulated-layout.ts';

export interface ServerCertificate {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** Takes away what need not last. */
  remove(): Promise<void>;
}

/** The certificate of all simulated servers, made once: whoever trusts it need not do so again at the next run. Where nothing can be kept it is made for this run alone. */
export async function serverCertificate(folder: string, clock: Clock): Promise<ServerCertificate> {
  const kept = await writable(folder);
  const home = kept ? folder : await mkdtemp(join(tmpdir(), 'sluice-simulate-'));
  const pki = new PkiFolder(home);
  const make = selfSigned(
    {
      subject: '/CN=Sluice simulated server/O=Sluice',
      applicationUri: simulatedUri,
      dns: ['localhost'],
      ip: ['127.0.0.1', '::1'],
    },
    clock.now().wallMs,
  );
  const never = new AbortController().signal;
  const own = await ownOrMade({
    folder: pki,
    make,
    rest: () => clock.sleep(200, never),
    renewal: `remove ${pki.path}`,
  });
  return {
    certificateFile: own.file,
    privateKeyFile: keyFile(pki),
    remove: async () => (kept ? undefined : rm(home, { recursive: true, force: true })),
  };
}

async function writable(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
