import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { certificateOf } from '../../../../drivers/opcua/pki/certificate.ts';
import { PkiFolder } from '../../../../drivers/opcua/pki/folder.ts';
import { ownOrMade, readOwn } from '../../../../drivers/opcua/pki/own.ts';
import { run } from '../../../support/command-line.ts';
import { noOpenssl, Openssl } from '../../../support/openssl.ts';
import type { MadeCertificate } from '../../../support/openssl.ts';

describe.skipIf(noOpenssl !== undefined)(`the folder pki (${noOpenssl ?? 'certificates of openssl'})`, () => {
  const openssl = new Openssl();
  let state: string;
  let folder: PkiFolder;
  let file: string;
  afterAll(() => openssl.end());
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'sluice-pki-'));
    folder = new PkiFolder(state);
    file = join(state, 'sluice.json');
    const site = {
      version: 1,
      gateway: 'gw-1',
      stateDir: state,
      connections: { plc: { driver: 'opcua', endpoint: 'opc.tcp://plc7', securityMode: 'Sign' } },
      devices: [{ id: 'PLC-1', connection: 'plc', points: [{ name: 'a', unit: 'm', nodeId: 'i=85' }] }],
      uplink: { file: { path: 'out' } },
    };
    writeFileSync(file, JSON.stringify(site));
    return () => rmSync(state, { recursive: true, force: true });
  });

  const read = ({ der }: MadeCertificate) => {
    const certificate = certificateOf(der);
    if (certificate === null) throw new Error('openssl made none');
    return certificate;
  };
  const at = (...names: string[]) => readdirSync(join(folder.path, ...names));
  const sluice = (...argv: string[]) => run('pki', ...argv, file);

  it('keeps the newest of what was refused, and not more than 32', async () => {
    const made = read(openssl.make({ name: 'PLC-7' }));
    for (let count = 0; count < 40; count++)
      await folder.reject({ ...made, thumbprint: count.toString(16).padStart(40, '0') });
    expect(at('rejected')).toHaveLength(32);
  });

  it('keeps names of strangers from being paths, and their words from a terminal', async () => {
    const made = read(openssl.make({ name: '..\\/..\\/\u001B]0;x' }));
    await folder.reject(made);
    expect(at('rejected').join()).toMatch(/^[A-Za-z0-9._-]+$/);
    const { stdout } = await sluice('list');
    expect(stdout).not.toContain('\u001B');
  });

  it.skipIf(process.getuid?.() !== 0)('made by root belongs to whom the state directory does', async () => {
    chownSync(state, 4_711, 4_712);
    await folder.reject(read(openssl.make({ name: 'PLC-7' })));
    for (const name of ['.', 'own/private', 'rejected', `rejected/${at('rejected')[0] ?? ''}`]) {
      const { uid, gid } = statSync(join(folder.path, name));
      expect([uid, gid]).toEqual([4_711, 4_712]);
    }
  });

  it('has a certificate beside its key whatever happened between, and does not make a second one', async () => {
    const { key, der } = openssl.make({ name: 'Sluice' });
    const certificate = certificateOf(der);
    if (certificate === null) throw new Error('openssl made none');
    let made = 0;
    const make = () => Promise.resolve({ certificate, key: readFileSync(key, 'utf8'), count: ++made });
    const all = await Promise.all(
      [1, 2, 3].map(() => ownOrMade(folder, make, () => new Promise((done) => setTimeout(done, 5)))),
    );
    expect(made).toBe(1);
    expect(new Set(all.map((own) => own.file)).size).toBe(1);
    rmSync(join(folder.path, 'own/certs'), { recursive: true });
    await expect(readOwn(folder)).rejects.toThrow('sluice pki renew');
  });

  it('goes on after a process that died while it made one', async () => {
    await folder.make();
    const { key, der } = openssl.make({ name: 'Sluice' });
    const certificate = certificateOf(der);
    if (certificate === null) throw new Error('openssl made none');
    mkdirSync(join(folder.path, 'own/private/.making'));
    const own = await ownOrMade(
      folder,
      () => Promise.resolve({ certificate, key: readFileSync(key, 'utf8') }),
      () => Promise.resolve(),
    );
    expect(basename(own.file)).toContain('Sluice_');
  });

  describe('under `sluice pki`', () => {
    it('is listed with what each is for', async () => {
      expect((await sluice('list')).stdout).toContain('no certificates yet');
      await folder.reject(read(openssl.make({ name: 'PLC-7', hosts: ['DNS:plc7'] })));
      const text = await sluice('list');
      expect(text.stdout).toMatch(/rejected: PLC-7\n {3}subject +O=Acme, CN=PLC-7\n {3}application +urn:plc\n/);
      expect(text.stdout).toMatch(/for +refused: sluice pki trust; plc\n/);
      const one = JSON.parse((await sluice('list', '--json')).stdout) as Record<string, unknown>;
      expect(one).toMatchObject({ kind: 'rejected', applicationUri: 'urn:plc', connections: ['plc'] });
    });

    it('is trusted by the beginning of a thumbprint or by name, never by what two could be', async () => {
      const made = [1, 2].map(() => read(openssl.make({ name: 'PLC-7' })));
      const [one, two] = made;
      if (one === undefined || two === undefined) throw new Error('openssl made none');
      for (const each of made) await folder.reject(each);
      expect(await sluice('trust', 'PLC-7')).toMatchObject({ code: 2 });
      expect(await sluice('trust', 'PLC-8')).toMatchObject({ code: 2 });
      expect(await sluice('trust', one.thumbprint.slice(0, 3))).toMatchObject({ code: 2 });
      expect(await sluice('trust', one.thumbprint.toUpperCase().slice(0, 20))).toMatchObject({ code: 0 });
      expect(at('trusted/certs')).toEqual([`PLC-7_${one.thumbprint}.der`]);
      const said = await sluice('trust', 'plc-7');
      expect(said).toMatchObject({ code: 0 });
      expect(said.stdout).toContain(`(${one.thumbprint}) of the same server stays trusted; to end that, remove`);
      expect(at('rejected')).toEqual([]);
      expect((await sluice('trust', two.thumbprint)).stdout).toContain('is trusted already');
    });

    it('takes authorities and revocation lists from files, and nothing else', async () => {
      const root = openssl.authority('Plant CA');
      const list = join(state, 'plant.crl');
      writeFileSync(list, openssl.revocationList(root, []));
      expect(await sluice('trust', root.cert)).toMatchObject({ code: 0 });
      expect(await sluice('trust', list)).toMatchObject({ code: 0 });
      expect(await sluice('trust', file)).toMatchObject({ code: 2 });
      expect(at('trusted/crl')).toEqual(['plant.crl']);
      expect((await sluice('list')).stdout).toContain('authority: Plant CA');
    });

    it('has a new own certificate after `renew`, and the one before aside', async () => {
      expect(await sluice('renew')).toMatchObject({ code: 0 });
      const [before = ''] = at('own/certs');
      const first = await readOwn(folder);
      expect((await sluice('renew')).stdout).toContain('have every server trust it');
      const second = await readOwn(folder);
      expect(second?.certificate.thumbprint).not.toBe(first?.certificate.thumbprint);
      expect(at('own/certs')).toHaveLength(1);
      expect(at('own/replaced')).toContain(before);
      expect(at('own/replaced').filter((name) => name.startsWith('private_key'))).toHaveLength(1);
      for (const name of ['own/private', 'own/replaced'])
        expect(statSync(join(folder.path, name)).mode & 0o777).toBe(0o700);
      expect(existsSync(join(folder.path, 'own/private/.making'))).toBe(false);
    });
  });
});
