import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '../../../agent/errors.ts';
import { Secret } from '../../../agent/config/grammar.ts';
import type { Session, Settings } from '../../../drivers/driver.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { noOpenssl, Openssl } from '../../support/openssl.ts';
import type { MadeCertificate } from '../../support/openssl.ts';
import { Plant, makers } from './plant.ts';
import { expected, points } from './plant-values.ts';
import { Listener, planOf, pointsOf, until } from './support.ts';

const policies = ['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] as const;
const secured = ['Sign', 'SignAndEncrypt'].flatMap((securityMode) =>
  policies.map((securityPolicy) => ({ securityMode, securityPolicy })),
);
const strictest = { securityMode: 'SignAndEncrypt', securityPolicy: 'Aes256_Sha256_RsaPss' };
const never = new AbortController().signal;
const level = { nodeId: 'nsu=urn:site:plc;s=Level', mode: 'poll' };

describe.skipIf(noOpenssl !== undefined).each(makers)('a server of %s with security', (maker, missing) => {
  const openssl = new Openssl();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-policies-'));
  let plant: Plant;
  let user: MadeCertificate;
  const sessions: Session[] = [];

  beforeAll(async () => {
    const plc = openssl.make({ name: 'PLC-7', hosts: ['DNS:localhost', 'IP:127.0.0.1'] });
    user = openssl.make({ name: 'ana', uri: null, hosts: ['email:ana@acme.example'] });
    // As somebody who knows the standard's folders trusts a server: without a command.
    mkdirSync(join(folder, 'state/pki/trusted/certs'), { recursive: true });
    writeFileSync(join(folder, 'state/pki/trusted/certs/plc.der'), plc.der);
    if (missing === undefined) plant = await Plant.start(maker, [plc.cert, plc.key]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await plant?.end();
    openssl.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const home = { gateway: 'gw-1', stateDir: join(folder, 'state'), file: join(folder, 'sluice.json') };
  async function open(settings: Settings, of: Readonly<Record<string, Settings>> = { level }) {
    const host = Object.assign(new Listener(), { home });
    const plan = planOf(plant.port, [{ id: 'PLC', points: of }], {}, settings);
    const session = await driver.open(plan, host, AbortSignal.timeout(20_000));
    sessions.push(session);
    const seen = await session.poll({ device: 'PLC', points: pointsOf(plan, 'PLC'), dueMs: 0 }, never);
    return { session, host, seen };
  }
  const users = (): Readonly<Record<string, Settings>> => ({
    nobody: {},
    name: { username: 'ana', password: new Secret('not-in-any-log'), allowUnencryptedPassword: false },
    certificate: { userCertificate: user.cert, userKey: user.key },
  });

  it.skipIf(missing !== undefined)(
    `is read under every policy, signed and encrypted, by every kind of user ${missing ?? ''}`,
    async () => {
      const read: string[] = [];
      for (const security of [{ securityMode: 'None' }, ...secured])
        for (const [name, settings] of Object.entries(users())) {
          const opened = await open({ ...security, ...settings }).catch(messageOf);
          const said = typeof opened === 'string' ? opened : String(opened.seen[0]?.value);
          read.push(`${Object.values(security).join(' ')} ${name} ${said}`);
          if (typeof opened !== 'string') await opened.session.close();
        }
      expect(read).toEqual(
        [{ securityMode: 'None' }, ...secured].flatMap((security) =>
          ['nobody', 'name', 'certificate'].map((name) => `${Object.values(security).join(' ')} ${name} 1.5`),
        ),
      );
    },
    60_000,
  );

  it.skipIf(missing !== undefined)(
    `refuses who has a wrong password, in words that say so ${missing ?? ''}`,
    async () => {
      const wrong = { ...strictest, username: 'ana', password: new Secret('wrong-and-secret') };
      const said = await open(wrong).then(
        () => 'opened',
        (error: Error) => error.message,
      );
      expect(said).toMatch(/BadUserAccessDenied|BadIdentityTokenRejected/);
      expect(said).not.toContain('wrong-and-secret');
    },
  );

  it.skipIf(missing !== undefined)(
    `gives every type and status over many encrypted chunks, and sends them by itself ${missing ?? ''}`,
    async () => {
      const many = Object.fromEntries(
        Array.from({ length: 100 }, (_, copy) =>
          Object.entries(points).map(([name, settings]) => [`${name}-${copy}`, { ...settings, mode: 'poll' }]),
        ).flat(),
      );
      const { seen } = await open(strictest, many);
      expect(seen.map(({ value, text, status }) => [value, text, status])).toEqual(
        Array.from({ length: 100 }, () => expected.map(([, , ...said]) => said)).flat(),
      );
      const { host } = await open(
        { ...strictest, publishingInterval: 100 },
        { ...points, ticks: { nodeId: 'nsu=urn:site:plc;s=Ticks', every: 100 } },
      );
      await until(() => host.of('ticks').length > 5 && host.of(`p${expected.length - 1}`).length > 0);
      expect(expected.map((_, at) => host.of(`p${at}`)[0]).map((one) => [one?.value, one?.text, one?.status])).toEqual(
        expected.map(([, , ...said]) => said),
      );
    },
    30_000,
  );
});
