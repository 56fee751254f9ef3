import type { PkiEntry } from '../../drivers/pki.ts';
import { homeOf } from '../config/site-config.ts';
import { fileArgument, type Command } from './command.ts';
import { configured } from './configured.ts';
import { pkiTools } from './pki-tools.ts';
import { isoText, tableText } from './printing.ts';

const whatFor: Readonly<Record<PkiEntry['kind'], string>> = {
  own: 'who this gateway is: servers have to trust it',
  trusted: 'a server that is trusted',
  authority: 'trusted, and whatever it signs that its revocation list does not name',
  issuer: 'only completes the chain of others',
  rejected: 'refused: sluice pki trust',
  user: 'the user of a connection',
  revocations: 'whom this authority does not stand for any more',
};

const dayMs = 86_400_000;

export const pkiList: Command = {
  name: 'pki list',
  about:
    'All certificates: the own one, those that are trusted, those that were refused, and users of the configuration; and revocation lists.',
  arguments: [fileArgument],
  options: {
    json: {
      about:
        'one line per certificate: kind, subject, applicationUri, thumbprint, notBefore, notAfter, connections, file',
    },
  },
  examples: [
    { line: 'sluice pki list', about: 'who is trusted, and until when' },
    { line: 'sluice pki list --json site.json', about: 'for a program' },
  ],
  exits: {
    0: 'fine',
    1: 'one that is in use has expired or will within 30 days, or a revocation list has',
    78: 'the configuration is wrong',
  },

  async run(args, io) {
    const config = configured(args, io, { noSecrets: true, quiet: true });
    const { tools, connections } = await pkiTools(config);
    const entries = await tools.list(homeOf(config), connections);
    const nowMs = Date.now();
    io.stdout.write(args.values['json'] === true ? jsonOf(entries) : textOf(entries, nowMs));
    return entries.some((entry) => isShort(entry, nowMs)) ? 1 : 0;
  },
};

function jsonOf(entries: readonly PkiEntry[]): string {
  return entries
    .map(({ kind, subject, applicationUri, thumbprint, notBeforeMs, notAfterMs, connections, file }) => {
      const [notBefore, notAfter] = [isoText(notBeforeMs), isoText(notAfterMs)];
      return `${JSON.stringify({ kind, subject, applicationUri, thumbprint, notBefore, notAfter, connections, file })}\n`;
    })
    .join('');
}

function textOf(entries: readonly PkiEntry[], nowMs: number): string {
  if (entries.length === 0)
    return 'no certificates yet: the first connection with a securityMode makes the one of this gateway\n';
  const blocks = entries.map((entry) => {
    const rows = [
      ['subject', entry.subject],
      ['application', entry.applicationUri ?? 'none named'],
      ['thumbprint', entry.thumbprint.match(/.{4}/g)?.join(' ') ?? ''],
      [
        'valid',
        `${isoText(entry.notBeforeMs).slice(0, 10)} to ${isoText(entry.notAfterMs).slice(0, 10)}${remaining(entry, nowMs)}`,
      ],
      [
        'for',
        [whatFor[entry.kind], ...(entry.connections.length > 0 ? [entry.connections.join(', ')] : [])].join('; '),
      ],
      ['file', entry.file],
    ];
    return `${entry.kind}: ${entry.name}\n${tableText(
      [],
      rows.map(([key = '', value = '']) => [` `, key, value]),
    )}`;
  });
  return blocks.join('\n');
}

/** Authorities make a new list every few days. */
const isShort = ({ kind, notAfterMs }: PkiEntry, nowMs: number): boolean =>
  kind !== 'rejected' && notAfterMs - nowMs < (kind === 'revocations' ? 0 : 30 * dayMs);

function remaining({ notBeforeMs, notAfterMs }: PkiEntry, nowMs: number): string {
  if (nowMs > notAfterMs) return ': EXPIRED';
  if (nowMs < notBeforeMs) return ': not valid yet';
  const days = Math.floor((notAfterMs - nowMs) / dayMs);
  return days < 30 ? `: ${days} days left` : '';
}
