import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon } from '../../faults/daemon.ts';
import { run } from '../../support/command-line.ts';
import type { Ended } from '../../support/command-line.ts';
import { noOpenssl, Openssl } from '../../support/openssl.ts';
import { Plant } from './plant.ts';
import { until } from './support.ts';

const password = 'not-in-any-log';
const wrong = 'wrong-but-secret';

/** One server, one state directory, in the order in which somebody would come upon it. */
describe.skipIf(noOpenssl !== undefined)(`the commands at a signed server (${noOpenssl ?? 'of node-opcua'})`, () => {
  const openssl = new Openssl();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-signed-'));
  const file = join(folder, 'site.json');
  const said: string[] = [];
  let plant: Plant;
  let url: string;

  beforeAll(async () => {
    const plc = openssl.make({ name: 'PLC-7', hosts: ['DNS:localhost', 'IP:127.0.0.1'] });
    plant = await Plant.start('node-opcua', [plc.cert, plc.key]);
    url = `opc.tcp://127.0.0.1:${plant.port}`;
    writeSite(password);
  }, 30_000);
  afterAll(async () => {
    await plant?.end();
    openssl.end();
    rmSync(folder, { recursive: true, force: true });
  });

  function siteWith(secret: string) {
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, secret, { mode: 0o600 });
    const plc = { driver: 'opcua', endpoint: url, securityMode: 'SignAndEncrypt', username: 'ana' };
    return {
      version: 1,
      gateway: 'gw-1',
      stateDir: join(folder, 'state'),
      connections: { plc: { ...plc, password: `\${file:${passwordFile}}` } },
      devices: [
        {
          id: 'PLC-1',
          connection: 'plc',
          points: [{ name: 'level', unit: 'm', nodeId: 'nsu=urn:site:plc;s=Level', every: '1s' }],
        },
      ],
      uplink: { file: { path: join(folder, 'out') } },
    };
  }
  const writeSite = (secret: string) => writeFileSync(file, JSON.stringify(siteWith(secret)));

  async function type(...argv: string[]): Promise<Ended> {
    const ended = await run(...argv);
    said.push(ended.stdout, ended.stderr);
    return ended;
  }
  const named = ['--config', file, '--connection', 'plc'];
  const commands = (): Readonly<Record<string, readonly string[]>> => ({
    read: ['read', file],
    'probe of the server': ['probe', url, ...named],
    'probe of a node': ['probe', `${url}?nodeId=nsu=urn:site:plc;s=Level`, ...named],
    browse: ['browse', ...named, '--match', 'Level', '--points'],
  });

  it.each(['read', 'probe of the server', 'probe of a node', 'browse'])(
    '%s is refused, and names the one command to type',
    async (name) => {
      const { code, stdout, stderr } = await type(...(commands()[name] ?? []));
      expect(code).toBe(1);
      expect(stdout + stderr).toMatch(new RegExp(`not trusted yet: "PLC-7".*sluice pki trust [0-9a-f]{12} ${file}`));
    },
  );

  it('that command is enough for all of them, with user and keys of the connection', async () => {
    const [, which = ''] = /sluice pki trust ([0-9a-f]{12})/.exec(said.join('')) ?? [];
    expect(await type('pki', 'trust', which, file)).toMatchObject({ code: 0, stderr: '' });
    const ended = [];
    for (const argv of Object.values(commands())) ended.push(await type(...argv));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const [read, server, node, browse] = ended.map(({ stdout }) => stdout);
    expect(read).toMatch(/level +1\.5/);
    expect(server).toContain('urn:site:plc');
    expect(node).toMatch(/1\.5/);
    expect(browse).toContain('"nodeId": "nsu=urn:site:plc;s=Level"');
  });

  it('pki list says which connection each certificate is for', async () => {
    const { code, stdout } = await type('pki', 'list', '--json', file);
    const entries = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; subject: string; connections: string[] });
    expect(code).toBe(0);
    expect(entries).toEqual([
      expect.objectContaining({ kind: 'own', connections: ['plc'] }),
      expect.objectContaining({
        kind: 'trusted',
        subject: expect.stringContaining('PLC-7') as string,
        connections: ['plc'],
      }),
    ]);
  });

  it('pki list shows a revocation list, and ends with 1 when it is old', async () => {
    const root = openssl.authority('Plant CA');
    const fresh = join(openssl.folder, 'fresh.crl');
    writeFileSync(fresh, openssl.revocationList(root, []));
    expect((await type('pki', 'trust', fresh, file)).code).toBe(0);
    const before = await type('pki', 'list', file);
    expect(before).toMatchObject({ code: 0, stdout: expect.stringContaining('revocations: Plant CA') as string });
    writeFileSync(fresh, openssl.revocationList(root, [], { from: '20250101000000Z', to: '20250201000000Z' }));
    await type('pki', 'trust', fresh, file);
    const after = await type('pki', 'list', file);
    expect(after).toMatchObject({ code: 1, stdout: expect.stringContaining('to 2025-02-01: EXPIRED') as string });
  });

  it('pki renew makes another key that nobody else reads, as the one before that is kept', async () => {
    const own = (name: string) => join(folder, 'state/pki/own', name);
    const before = readFileSync(own('private/private_key.pem'), 'utf8');
    expect((await type('pki', 'renew', file)).code).toBe(0);
    expect(readFileSync(own('private/private_key.pem'), 'utf8')).not.toBe(before);
    const keys = ['private', 'replaced'].flatMap((place) =>
      readdirSync(own(place)).map((name) => {
        const path = join(own(place), name);
        return { path, isKey: readFileSync(path, 'latin1').includes('PRIVATE KEY'), mode: statSync(path).mode & 0o777 };
      }),
    );
    const modes = keys.filter(({ isKey }) => isKey).map(({ mode }) => mode.toString(8));
    expect(modes).toEqual(['600', '600']);
    expect(statSync(own('private')).mode & 0o077).toBe(0);
    expect((await type('read', file)).stdout).toMatch(/level +1\.5/);
  });

  it(
    'neither a daemon nor a command tells or keeps a password or a key, right or wrong',
    { timeout: 60_000 },
    async () => {
      const daemon = new Daemon(folder, siteWith(password));
      daemon.start();
      try {
        await until(() => /"level"|level/.test(readOrNothing(join(folder, 'out'))), 20_000);
        siteWith(wrong);
        daemon.hangup();
        await until(() => /BadUserAccessDenied|BadIdentityTokenRejected/.test(daemon.log), 20_000);
        for (const argv of [['status', '--json', file], ['check', file], ...Object.values(commands())])
          await type(...argv);
      } finally {
        await daemon.end('SIGTERM');
      }
      expect(said.join('')).toMatch(/BadUserAccessDenied|BadIdentityTokenRejected/);
      const key = readFileSync(join(folder, 'state/pki/own/private/private_key.pem'), 'latin1').split('\n')[1] ?? '';
      const kept = [...said, daemon.log, ...contents(folder)].join('\n');
      for (const secret of [password, wrong, ...[password, wrong].map((one) => Buffer.from(one).toString('base64'))])
        expect(kept.includes(secret)).toBe(false);
      expect(key.length).toBeGreaterThan(40);
      expect(kept.includes(key)).toBe(false);
    },
  );
});

const readOrNothing = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

/** Of all files below, but the one with the password and the keys themselves. */
function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name !== 'password' && !/own\/(?:private|replaced)$/.test(entry.parentPath),
    )
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
}
