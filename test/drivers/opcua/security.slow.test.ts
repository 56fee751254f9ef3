import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../agent/clock.ts';
import { Secret } from '../../../agent/config/grammar.ts';
import type { Session, Settings } from '../../../drivers/driver.ts';
import { freePort } from '../../../deploy/kafka/broker.ts';
import { driver } from '../../../drivers/opcua/index.ts';
import { run } from '../../support/command-line.ts';
import { noOpenssl, Openssl } from '../../support/openssl.ts';
import type { MadeCertificate } from '../../support/openssl.ts';
import { ServerProcess } from '../../support/server-process.ts';
import { Listener, planOf, pointsOf } from './support.ts';

const policies = ['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'] as const;
const password = 'not-in-any-log';

describe.skipIf(noOpenssl !== undefined)(`a server with security (${noOpenssl ?? 'node-opcua-server'})`, () => {
  const openssl = new Openssl();
  let folder: string;
  let plc: MadeCertificate;
  let user: MadeCertificate;
  let server: Served | null = null;
  const sessions: Session[] = [];

  beforeAll(() => {
    plc = openssl.make({ name: 'PLC-7', hosts: ['DNS:localhost', 'IP:127.0.0.1'] });
    user = openssl.make({ name: 'ana', uri: null, hosts: ['email:ana@acme.example'] });
  });
  afterAll(() => openssl.end());
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sluice-secure-'))));
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
    await server?.end();
    server = null;
    rmSync(folder, { recursive: true, force: true });
  });

  const home = () => ({ gateway: 'gw-1', stateDir: join(folder, 'state'), file: join(folder, 'sluice.json') });
  const pki = (...names: string[]) => join(folder, 'state/pki', ...names);
  const list = (name: string) => (existsSync(pki(name)) ? readdirSync(pki(name)) : []);
  const plan = (settings: Settings, port = server?.port ?? 0) =>
    planOf(
      port,
      [{ id: 'PLC-1', points: { level: { nodeId: 'nsu=urn:site:plc;s=Level', mode: 'poll' } } }],
      {},
      settings,
    );

  async function open(settings: Settings, more: { port?: number; clock?: Clock } = {}) {
    const listener = Object.assign(new Listener(more.clock), { home: home() });
    const made = plan(settings, more.port);
    const session = await driver.open(made, listener, AbortSignal.timeout(20_000));
    sessions.push(session);
    const seen = await session.poll(
      { device: 'PLC-1', points: pointsOf(made, 'PLC-1'), dueMs: 0 },
      AbortSignal.timeout(5_000),
    );
    return { session, listener, value: seen[0]?.value };
  }
  const refused = (settings: Settings, more?: Parameters<typeof open>[1]) =>
    open(settings, more).then(
      () => 'opened',
      (error: Error) => error.message,
    );
  function writeSite(connections: Readonly<Record<string, Settings>>) {
    const points = [{ name: 'level', unit: 'm', nodeId: 'nsu=urn:site:plc;s=Level' }];
    const site = {
      version: 1,
      gateway: 'gw-1',
      stateDir: join(folder, 'state'),
      connections: Object.fromEntries(
        Object.entries(connections).map(([id, settings]) => [id, { driver: 'opcua', ...settings }]),
      ),
      devices: Object.keys(connections).map((connection) => ({ id: `on-${connection}`, connection, points })),
      uplink: { file: { path: 'out' } },
    };
    writeFileSync(join(folder, 'sluice.json'), JSON.stringify(site));
  }
  /** What the message says to type, typed. */
  async function obey(text: string) {
    writeSite({ plc: { endpoint: 'opc.tcp://127.0.0.1:4840', securityMode: 'Sign' } });
    const [, which = '', file = ''] = /sluice pki trust (\S+) ([^\s)]+)/.exec(text) ?? [];
    expect(file).toBe(join(folder, 'sluice.json'));
    const said = await run('pki', 'trust', which, file);
    expect(said).toMatchObject({ code: 0, stderr: '' });
  }
  async function trusting(settings: Settings) {
    await obey(await refused(settings));
  }

  it(
    'is refused, trusted by the command that the message names, and read, under every policy',
    { timeout: 60_000 },
    async () => {
      server = await serve(plc, folder, policies);
      const secured = { securityMode: 'SignAndEncrypt' };
      const text = await refused(secured);
      expect(text).toContain('not trusted yet: "PLC-7"');
      expect(list('trusted/certs')).toEqual([]);
      expect(list('rejected')).toHaveLength(1);
      await obey(text);
      for (const securityMode of ['Sign', 'SignAndEncrypt'])
        for (const securityPolicy of policies) expect((await open({ securityMode, securityPolicy })).value).toBe(1.5);
      expect(list('rejected')).toEqual([]);
    },
  );

  it(
    'finds a certificate of ours that is made once, in our name, with a key that nobody else reads',
    { timeout: 30_000 },
    async () => {
      server = await serve(plc, folder, policies);
      await trusting({ securityMode: 'Sign' });
      const [file = ''] = list('own/certs');
      await open({ securityMode: 'Sign' });
      expect(list('own/certs')).toEqual([file]);
      expect(statSync(pki('own/private/private_key.pem')).mode & 0o777).toBe(0o600);
      const shown = openssl.show(pki('own/certs', file));
      expect(shown).toMatch(/URI:urn:[^,\s]+:sluice:gw-1/);
      expect(shown).toContain('Public-Key: (2048 bit)');
      expect(shown).toContain('sha256WithRSAEncryption');
    },
  );

  it('needs no certificate of ours without security, and no folder is made for one', async () => {
    server = await serve(plc, folder, policies);
    expect((await open({})).value).toBe(1.5);
    expect(existsSync(pki())).toBe(false);
  });

  it(
    'leaves nothing in the home directory and no word of the library on the terminal',
    { timeout: 30_000 },
    async () => {
      server = await serve(plc, folder, policies);
      const settings = { endpoint: `opc.tcp://127.0.0.1:${server.port}` };
      writeSite({ plain: settings, signed: { ...settings, securityMode: 'Sign' } });
      const env = { ...process.env, HOME: join(folder, 'home'), XDG_CONFIG_HOME: '', NODEOPCUADEBUG: '' };
      const argv = ['agent/main.ts', 'read', join(folder, 'sluice.json')];
      const { stdout, stderr } = spawnSync(process.execPath, argv, { env, encoding: 'utf8' });
      expect(stdout).toMatch(/level +1\.5/);
      expect(stdout).toContain('not trusted yet');
      expect(stdout.trim().split('\n')).toHaveLength(5);
      expect(stderr).toMatch(
        /^\S+ connections\.plain: warning: securityMode is None[^\n]*\n\S+ connections\.signed: warning: [^\n]*\n$/,
      );
      expect(existsSync(join(folder, 'home'))).toBe(false);
    },
  );

  it('that does not offer what is configured is told with what it offers', { timeout: 30_000 }, async () => {
    server = await serve(plc, folder, ['Basic256Sha256']);
    expect(await refused({ securityMode: 'Sign', securityPolicy: 'Aes256_Sha256_RsaPss' })).toContain(
      'does not offer Sign with Aes256_Sha256_RsaPss; it offers None; Sign with Basic256Sha256; SignAndEncrypt with Basic256Sha256',
    );
  });

  it('knows users by name and by certificate', { timeout: 60_000 }, async () => {
    server = await serve(plc, folder, policies);
    const secured = { securityMode: 'SignAndEncrypt' };
    await trusting(secured);
    expect((await open({ ...secured, username: 'ana', password: new Secret(password) })).value).toBe(1.5);
    expect(await refused({ ...secured, username: 'ana', password: new Secret('wrong') })).toMatch(
      /BadUserAccessDenied|BadIdentityTokenRejected/,
    );
    expect((await open({ ...secured, userCertificate: user.cert, userKey: user.key })).value).toBe(1.5);
    const stranger = openssl.make({ name: 'bob', ownKey: true });
    expect(await refused({ ...secured, userCertificate: user.cert, userKey: stranger.key })).toContain(
      'does not belong to',
    );
  });

  it(
    'never gets a password in clear where it says how to encrypt it, and never from a gateway that does not trust it',
    { timeout: 60_000 },
    async () => {
      server = await serve(plc, folder, policies);
      const relay = await record(server.port);
      try {
        const { port } = relay;
        const secret = new Secret(password);
        for (const securityMode of ['None', 'Sign', 'SignAndEncrypt']) {
          const settings = { securityMode, username: 'ana', password: secret, allowUnencryptedPassword: false };
          const text = await refused(settings, { port });
          if (text !== 'opened') {
            expect(text).toContain('not trusted yet');
            await obey(text);
            expect((await open(settings, { port })).value).toBe(1.5);
          }
          const { session, listener } = await open(settings, { port });
          expect(inspect([session, listener, plan(settings)], { depth: 12, showHidden: true })).not.toContain(password);
          expect(listener.said).toEqual([]);
        }
        expect(relay.bytes().length).toBeGreaterThan(1_000);
        expect(relay.bytes().includes('ana')).toBe(true);
        expect(relay.bytes().includes(password)).toBe(false);
      } finally {
        relay.end();
      }
    },
  );

  it('gets a password encrypted by itself also where it would take one that is not', { timeout: 30_000 }, async () => {
    server = await serve(plc, folder, [...policies, '-both']);
    const settings = { securityMode: 'SignAndEncrypt', username: 'ana', password: new Secret(password) };
    await trusting(settings);
    expect((await open(settings)).value).toBe(1.5);
    expect(server.said()).toMatch(/token http:\S+rsa-oaep/);
    expect(server.said()).not.toContain('token none');
  });

  it('gets no password once it takes back that it can encrypt it', { timeout: 30_000 }, async () => {
    server = await serve(plc, folder, policies);
    const settings = { username: 'ana', password: new Secret(password), allowUnencryptedPassword: false };
    await trusting(settings);
    const { port } = server;
    await server.end();
    server = await serve(plc, folder, [...policies, '-turncoat'], port);
    expect(await refused(settings)).toContain('somebody between may have changed it');
    expect(server.said()).not.toContain('token');
  });

  it('gets a password by the certificate that is trusted, whatever it shows later', { timeout: 30_000 }, async () => {
    const stranger = join(folder, 'stranger.der');
    writeFileSync(stranger, openssl.make({ name: 'PLC-7', ownKey: true }).der);
    server = await serve(plc, folder, [...policies, `-stranger=${stranger}`]);
    const settings = { username: 'ana', password: new Secret(password), allowUnencryptedPassword: false };
    await trusting(settings);
    expect((await open(settings)).value).toBe(1.5);
  });

  it(
    'gets a password in clear only where it knows no other way and the file allows it, and that is told',
    { timeout: 30_000 },
    async () => {
      server = await serve(plc, folder, [...policies, '-clear']);
      const settings = { username: 'ana', password: new Secret(password) };
      expect(await refused({ ...settings, allowUnencryptedPassword: false })).toContain('password is not sent');
      // Signed, not encrypted.
      const signed = { ...settings, securityMode: 'Sign' };
      expect(await refused(signed)).toContain('password is not sent');
      expect(server.said()).not.toContain('token');
      const { value, listener } = await open({ ...settings, allowUnencryptedPassword: true });
      expect(value).toBe(1.5);
      expect(listener.said.join()).toContain('the password goes over the network in clear');
      expect(listener.said.join()).not.toContain(password);
    },
  );

  it('gets no password by a policy that nobody knows', { timeout: 30_000 }, async () => {
    server = await serve(plc, folder, [...policies, '-unheard']);
    const settings = { username: 'ana', password: new Secret(password), allowUnencryptedPassword: false };
    expect(await refused(settings)).toContain('password is not sent');
    expect(server.said()).not.toContain('token');
  });

  it(
    'with another certificate than before is refused as changed, until somebody says so',
    { timeout: 60_000 },
    async () => {
      const secured = { securityMode: 'Sign' };
      server = await serve(plc, folder, policies);
      await trusting(secured);
      const { port } = server;
      await server.end();
      server = await serve(openssl.make({ name: 'PLC-7', ownKey: true }), folder, policies, port);
      const text = await refused(secured);
      expect(text).toContain('has changed: trusted is "PLC-7"');
      expect(await refused(secured)).toContain('has changed');
      await obey(text);
      expect((await open(secured)).value).toBe(1.5);
    },
  );

  it('is connected as soon as a clock that was wrong is right, without anybody', { timeout: 60_000 }, async () => {
    server = await serve(plc, folder, policies);
    const secured = { securityMode: 'Sign' };
    const { clock } = new Listener();
    const wrong: Clock = {
      now: () => ({ ...clock.now(), wallMs: 0, trust: 'unsynced' }),
      sleep: clock.sleep.bind(clock),
      sleepUntil: clock.sleepUntil.bind(clock),
    };
    await obey(await refused(secured, { clock: wrong }));
    expect(await refused(secured, { clock: wrong })).toContain('the clock of this gateway says 1970-01-01');
    expect((await open(secured)).value).toBe(1.5);
    expect(openssl.show(pki('own/certs', list('own/certs')[0] ?? ''))).not.toContain('1970');
  });

  it('that does not know this gateway is told so, with what is to be trusted there', { timeout: 30_000 }, async () => {
    server = await serve(plc, folder, [...policies, '-strict']);
    await trusting({ securityMode: 'Sign' });
    const text = await refused({ securityMode: 'Sign' });
    expect(text).toContain("refuses this gateway's certificate; trust it there");
    expect(text).toContain(pki('own/certs', list('own/certs')[0] ?? '?'));
  });

  it('makes one certificate for connections that open at once', { timeout: 60_000 }, async () => {
    server = await serve(plc, folder, policies);
    const all = await Promise.all([1, 2, 3, 4].map(() => refused({ securityMode: 'Sign' })));
    for (const text of all) expect(text).toContain('not trusted yet');
    expect(list('own/certs')).toHaveLength(1);
    expect(list('own/private')).toEqual(['private_key.pem']);
  });

  it('is warned about 30 days before a certificate expires', { timeout: 30_000 }, async () => {
    const soon = openssl.make({ name: 'PLC-7', days: 12 });
    server = await serve(soon, folder, policies);
    await trusting({ securityMode: 'Sign' });
    const { session, listener } = await open({ securityMode: 'Sign' });
    expect(session.remarks?.().join()).toMatch(/the certificate of server "PLC-7" expires in 1[12] days/);
    expect(listener.said.join()).toContain('Connection plc: the certificate of server "PLC-7" expires in');
  });
});

interface Served {
  readonly port: number;
  said(): string;
  end(): Promise<void>;
}

async function serve(made: MadeCertificate, folder: string, words: readonly string[], port?: number): Promise<Served> {
  const at = port ?? (await freePort());
  const argv = ['test/simulators/opcua-secure-server.ts', String(at), made.cert, made.key, folder, ...words];
  return started(at, process.execPath, argv);
}

async function started(port: number, program: string, argv: readonly string[]): Promise<Served> {
  const server = await ServerProcess.start(program, argv);
  return { port, said: () => server.said, end: () => server.end() };
}

/** Passes everything on and keeps what the client sends. */
async function record(port: number): Promise<{ port: number; bytes: () => Buffer; end: () => void }> {
  const kept: Buffer[] = [];
  const server: Server = createServer((client) => {
    const peer = connect(port, '127.0.0.1');
    client.on('data', (chunk: Buffer) => kept.push(chunk));
    client.pipe(peer).pipe(client);
    for (const socket of [client, peer]) socket.on('error', () => client.destroy(void peer.destroy()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => Buffer.concat(kept),
    end: () => void server.close(),
  };
}
