import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { certificateOf } from '../../../../drivers/opcua/pki/certificate.ts';
import { expiryRemarks, inUseOf } from '../../../../drivers/opcua/pki/expiry.ts';
import { PkiFolder } from '../../../../drivers/opcua/pki/folder.ts';
import { judge } from '../../../../drivers/opcua/pki/peer.ts';
import { refusalOf } from '../../../../drivers/opcua/pki/refusal.ts';
import { noOpenssl, Openssl } from '../../../support/openssl.ts';
import type { MadeCertificate } from '../../../support/openssl.ts';

const day = 86_400_000;

describe.skipIf(noOpenssl !== undefined)(`a server's certificate (${noOpenssl ?? 'made by openssl'})`, () => {
  // What is made meanwhile is valid.
  const nowMs = Date.now() + 60_000;
  const openssl = new Openssl();
  let folder: PkiFolder;
  let plc: MadeCertificate;
  let root: MadeCertificate;
  let child: MadeCertificate;

  beforeAll(() => {
    plc = openssl.make({ name: 'PLC-7', hosts: ['DNS:plc7', 'IP:10.0.0.5'] });
    root = openssl.authority('Plant CA');
    child = openssl.make({ name: 'PLC-8', issuer: root, hosts: ['DNS:plc8'] });
  });
  afterAll(() => openssl.end());
  beforeEach(async () => {
    folder = new PkiFolder(mkdtempSync(join(tmpdir(), 'sluice-pki-')));
    await folder.make();
    return () => rmSync(join(folder.path, '..'), { recursive: true, force: true });
  });

  const read = (made: MadeCertificate) => {
    const certificate = certificateOf(made.der);
    if (certificate === null) throw new Error('openssl made none');
    return certificate;
  };
  const trust = (made: MadeCertificate) => folder.trust(read(made));
  async function said(
    made: MadeCertificate,
    more: { at?: number; uri?: string; host?: string; chain?: MadeCertificate[] } = {},
  ) {
    const { at = nowMs, uri = 'urn:plc', host = 'plc7', chain = [] } = more;
    const der = Buffer.concat([made.der, ...chain.map((one) => one.der)]);
    return refusalOf(await judge(folder, { der, applicationUri: uri, host }, at), undefined);
  }

  /** What the log says of it while it is connected. */
  async function remarks(made: MadeCertificate, at: number, host = 'plc7') {
    const verdict = await judge(folder, { der: made.der, applicationUri: 'urn:plc', host }, at);
    expect(verdict.kind).toBe('accepted');
    return expiryRemarks(inUseOf(verdict), at, '/srv/site.json');
  }

  it('is refused until somebody trusts it, kept for that, and the one command is named', async () => {
    const text = await said(plc);
    const { thumbprint } = read(plc);
    expect(text).toContain('not trusted yet: "PLC-7"');
    expect(text).toMatch(new RegExp(`sluice pki trust ${thumbprint.slice(0, 12)}$`));
    expect(readdirSync(join(folder.path, 'rejected'))).toEqual([`PLC-7_${thumbprint}.der`]);
    await trust(plc);
    expect(await said(plc)).toBe(null);
    expect(readdirSync(join(folder.path, 'rejected'))).toEqual([]);
  });

  it('is named also where nothing can be kept for later', async () => {
    rmSync(join(folder.path, 'rejected'), { recursive: true });
    writeFileSync(join(folder.path, 'rejected'), 'in the way');
    const verdict = await judge(folder, { der: plc.der, applicationUri: 'urn:plc', host: 'plc7' }, nowMs);
    expect(refusalOf(verdict, undefined)).toMatch(
      /not trusted yet: "PLC-7".*note: it cannot be kept for that in .*\(EEXIST\)/,
    );
  });

  it('is told as changed, and stays refused, when another one of the same server was trusted', async () => {
    await trust(plc);
    const renewed = openssl.make({ name: 'PLC-7', hosts: ['DNS:plc7'] });
    const text = await said(renewed);
    expect(text).toContain('has changed');
    expect(text).toContain(`sluice pki trust ${read(renewed).thumbprint.slice(0, 12)}`);
    const other = openssl.make({ name: 'PLC-9', uri: 'urn:other', hosts: ['DNS:plc9'] });
    expect(await said(other, { uri: 'urn:other' })).toContain('not trusted yet');
  });

  it('is judged by the clock, on both sides, and is not thrown away while that is wrong', async () => {
    await trust(plc);
    expect(await said(plc, { at: 0 })).toMatch(/is not valid before .* the clock of this gateway says 1970-01-01/);
    expect(await said(plc, { at: nowMs + 400 * day })).toContain('expired on');
    expect(await said(plc)).toBe(null);
  });

  it('is told 30 days before it expires, and no earlier', async () => {
    await trust(plc);
    const { notAfterMs } = read(plc);
    expect(await remarks(plc, notAfterMs - 31 * day)).toEqual([]);
    expect(await remarks(plc, notAfterMs - 29.5 * day)).toEqual([
      expect.stringMatching(/^the certificate of server "PLC-7" expires in 29 days, on .*: have a new one made there/),
    ]);
  });

  it('must be in the name of the application that shows it', async () => {
    await trust(plc);
    expect(await said(plc, { uri: 'urn:somebody-else' })).toContain('is that of urn:plc');
  });

  it('must have a key that is long enough, and be made for it', async () => {
    const short = openssl.make({ name: 'OLD', bits: 1_024 });
    const wrong = openssl.make({ name: 'MAIL', extensions: ['keyUsage=critical,keyAgreement'] });
    await trust(short);
    await trust(wrong);
    expect(await said(short)).toContain('a key of 1024 bits');
    expect(await said(wrong)).toContain('not made for signing and encrypting');
  });

  it('may have the name of another host, or none, once somebody trusted this very one', async () => {
    await trust(plc);
    expect(await said(plc, { host: '192.168.1.9' })).toBe(null);
    const nameless = openssl.make({ name: 'PLC-0', hosts: [] });
    expect(await said(nameless, { host: '10.0.0.5' })).toContain('note: it is for no host');
  });

  it('that cannot be read is refused', async () => {
    const verdict = await judge(
      folder,
      { der: Buffer.from('3003020101', 'hex'), applicationUri: 'urn:plc', host: 'a' },
      nowMs,
    );
    expect(refusalOf(verdict, undefined)).toContain('cannot be read');
  });

  describe('that an authority signed', () => {
    const withList = (revoked: MadeCertificate[], from = root) =>
      folder.addRevocationList('plant.crl', openssl.revocationList(from, revoked));

    it('is believed when the authority is, with its revocation list', async () => {
      await trust(root);
      expect(await said(child, { host: 'plc8' })).toContain('no revocation list');
      await withList([]);
      expect(await said(child, { host: 'plc8' })).toBe(null);
      expect(await said(plc)).toContain('not trusted yet');
    });

    it('stays believed when the list is old, which is told with the one command', async () => {
      await trust(root);
      await withList([]);
      expect(await remarks(child, nowMs + 29 * day, 'plc8')).toEqual([]);
      expect(await remarks(child, nowMs + 31 * day, 'plc8')).toEqual([
        expect.stringMatching(
          /^the revocation list of authority "Plant CA" expired on .*: who was revoked since is not known here; .*: sluice pki trust LIST\.crl \/srv\/site\.json$/,
        ),
      ]);
      writeFileSync(join(folder.path, 'issuers/crl/old.crl'), openssl.revocationList(root, [child]));
      expect(await said(child, { host: 'plc8', at: nowMs + 31 * day })).toContain('was revoked');
    });

    it('is refused without a list in words that end with the command for this configuration', async () => {
      await trust(root);
      const verdict = await judge(folder, { der: child.der, applicationUri: 'urn:plc', host: 'plc8' }, nowMs);
      expect(refusalOf(verdict, '/srv/site.json')).toMatch(
        /no revocation list; get it from there, then: sluice pki trust LIST\.crl \/srv\/site\.json$/,
      );
    });

    it('is refused once it was revoked, also if it was trusted by itself', async () => {
      await trust(root);
      await trust(child);
      expect(await said(child, { host: 'plc8' })).toBe(null);
      await withList([child]);
      expect(await said(child, { host: 'plc8' })).toContain('was revoked');
    });

    it('is not believed for the list of a stranger', async () => {
      await trust(root);
      await withList([], openssl.authority('Plant CA'));
      expect(await said(child, { host: 'plc8' })).toContain('no revocation list');
    });

    it('must be for the host at which it was found, since the authority signs many', async () => {
      await trust(root);
      await withList([]);
      expect(await said(child, { host: 'plc7' })).toContain('is for plc8, and the configured host is plc7');
    });

    it('is not believed when only an authority of the same name is', async () => {
      await trust(openssl.authority('Plant CA'));
      expect(await said(child, { host: 'plc8', chain: [root] })).toContain('not trusted yet');
    });

    it('must not be signed by somebody who may not sign', async () => {
      const liar = openssl.make({
        name: 'Liar',
        issuer: root,
        extensions: ['basicConstraints=critical,CA:FALSE'],
        ownKey: true,
      });
      const forged = openssl.make({ name: 'PLC-8', issuer: liar, hosts: ['DNS:plc8'] });
      await trust(root);
      await withList([]);
      writeFileSync(join(folder.path, 'issuers/crl/liar.crl'), openssl.revocationList(liar, []));
      expect(await said(forged, { host: 'plc8', chain: [liar] })).toContain('may not sign others');
    });

    it('may come with the certificates between, and needs the list of each', async () => {
      const between = openssl.authority('Line CA', { issuer: root });
      const deep = openssl.make({ name: 'PLC-5', issuer: between, hosts: ['DNS:plc5'] });
      await trust(root);
      await withList([]);
      expect(await said(deep, { host: 'plc5' })).toContain('not trusted yet');
      expect(await said(deep, { host: 'plc5', chain: [between] })).toContain('"Line CA", of which there is no');
      writeFileSync(join(folder.path, 'issuers/crl/line.crl'), openssl.revocationList(between, []));
      expect(await said(deep, { host: 'plc5', chain: [between] })).toBe(null);
    });
  });
});
