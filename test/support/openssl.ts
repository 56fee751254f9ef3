import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { error, status } = spawnSync('openssl', ['version']);

/** Why certificates cannot be made here by a stranger to our code; undefined: they can. CI must have it, so there it is an error. */
export const noOpenssl: string | undefined = error || status !== 0 ? 'openssl is missing' : undefined;
if (noOpenssl !== undefined && process.env['CI'] === 'true') throw new Error(`CI needs openssl: ${noOpenssl}`);

export interface MadeCertificate {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly der: Buffer;
}

export interface CertificateOptions {
  readonly name: string;
  readonly uri?: string | null;
  readonly hosts?: readonly string[];
  readonly bits?: number;
  readonly hash?: string;
  /** Extensions besides the names, as openssl writes them. */
  readonly extensions?: readonly string[];
  /** Days, from now on unless `from` says otherwise. */
  readonly days?: number;
  /** `20200101000000Z`. */
  readonly from?: string;
  readonly to?: string;
  readonly issuer?: MadeCertificate;
  /** Else it shares one with others. */
  readonly ownKey?: boolean;
}

const serverUsage = 'keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment';

/** Certificates made by openssl, in a folder of their own. */
export class Openssl {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-openssl-'));
  #count = 0;
  /** Making one takes time. */
  readonly #leafKeys: Record<number, string> = {};

  make(options: CertificateOptions): MadeCertificate {
    const { name, uri = 'urn:plc', hosts = ['DNS:plc'], bits = 2_048, hash = 'sha256', issuer, from, to } = options;
    const at = join(this.folder, String(++this.#count));
    const [cert, csr] = [`${at}.pem`, `${at}.csr`];
    const key = options.ownKey === true ? this.#key(bits) : (this.#leafKeys[bits] ??= this.#key(bits));
    const names = [...(uri === null ? [] : [`URI:${uri}`]), ...hosts].join(',');
    const extensions = options.extensions ?? ['basicConstraints=critical,CA:FALSE', serverUsage];
    const lines = [...extensions, ...(names === '' ? [] : [`subjectAltName=${names}`])];
    writeFileSync(`${at}.ext`, `${lines.join('\n')}\n`);
    const subject = `/O=Acme/CN=${name}`;
    this.#run(['req', '-new', '-key', key, '-out', csr, '-subj', subject]);
    const signer = issuer ? ['-cert', issuer.cert, '-keyfile', issuer.key] : ['-selfsign', '-keyfile', key];
    const time =
      from === undefined ? ['-days', String(options.days ?? 365)] : ['-startdate', from, '-enddate', to ?? ''];
    this.#ca(['-in', csr, '-out', cert, '-md', hash, '-extfile', `${at}.ext`, ...time, ...signer]);
    const der = execFileSync('openssl', ['x509', '-in', cert, '-outform', 'der']);
    return { cert, key, der };
  }

  authority(name: string, extra: Partial<CertificateOptions> = {}): MadeCertificate {
    const extensions = [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
      'subjectKeyIdentifier=hash',
    ];
    return this.make({ name, uri: null, hosts: [], extensions, ownKey: true, ...extra });
  }

  /** The revocation list of an authority, PEM, naming `revoked`; for 30 days unless `when` says otherwise. */
  revocationList(
    issuer: MadeCertificate,
    revoked: readonly MadeCertificate[],
    when?: { readonly from: string; readonly to: string },
  ): Buffer {
    this.#database('');
    const by = ['-cert', issuer.cert, '-keyfile', issuer.key, '-md', 'sha256'];
    for (const { cert } of revoked) this.#ca(['-revoke', cert, ...by], false);
    const out = join(this.folder, `${++this.#count}.crl`);
    const time = when ? ['-crl_lastupdate', when.from, '-crl_nextupdate', when.to] : ['-crldays', '30'];
    this.#ca(['-gencrl', ...time, '-out', out, ...by], false);
    return readFileSync(out);
  }

  /** What it says of a certificate (DER). */
  show(file: string): string {
    return execFileSync('openssl', ['x509', '-inform', 'der', '-in', file, '-noout', '-text'], { encoding: 'utf8' });
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #key(bits: number): string {
    const key = join(this.folder, `${++this.#count}-key.pem`);
    this.#run(['genrsa', '-out', key, String(bits)]);
    return key;
  }

  #ca(argv: readonly string[], isNew = true): void {
    const config = join(this.folder, 'ca.cnf');
    if (isNew) this.#database('');
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${this.folder}/index\nnew_certs_dir=${this.folder}\nrand_serial=yes\npolicy=p\nunique_subject=no\n[p]\nO=optional\nCN=supplied\n`,
    );
    this.#run(['ca', '-batch', '-notext', '-config', config, ...argv]);
  }

  #database(content: string): void {
    writeFileSync(join(this.folder, 'index'), content);
  }

  #run(argv: readonly string[]): void {
    // node-opcua's server leaves the text "undefined" there.
    const env = { ...process.env, OPENSSL_CONF: undefined };
    execFileSync('openssl', argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
  }
}
