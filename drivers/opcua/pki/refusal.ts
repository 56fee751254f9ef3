import { grouped } from './certificate.ts';
import type { Certificate } from './certificate.ts';
import { dateTime } from './trust.ts';
import type { Verdict } from './trust.ts';

/** Enough of a thumbprint to be the only one. */
export const shortDigits = 12;
const defaultFile = '/etc/sluice/sluice.json';

/** What to type, for the configuration that is in use. */
export function commandFor(words: string, file: string | undefined): string {
  return `sluice pki ${words}${stated(file, '')}`;
}

/** What shows the nodes of a connection. */
export const browseCommand = (connection: string, file: string | undefined): string =>
  `sluice browse --connection ${connection}${stated(file, ' --config')}`;

const stated = (file: string | undefined, option: string): string =>
  file === undefined || file === defaultFile ? '' : `${option} ${/\s/.test(file) ? `'${file}'` : file}`;

/** Why the server is not spoken to, and what to do about it; null: it is. */
export function refusalOf(verdict: Verdict, file: string | undefined): string | null {
  if (verdict.kind === 'accepted') return null;
  const { leaf } = verdict;
  if (verdict.kind === 'refused') {
    const remedy = verdict.remedy === undefined ? '' : `, then: ${commandFor(verdict.remedy, file)}`;
    return `the server's certificate${leaf === null ? '' : ` "${leaf.name}" (thumbprint ${grouped(leaf.thumbprint)})`} ${verdict.why}${remedy}`;
  }
  const command = commandFor(`trust ${verdict.leaf.thumbprint.slice(0, shortDigits)}`, file);
  const besides = verdict.besides.map((one) => `; note: it ${one}`).join('');
  if (verdict.before !== null)
    return `the server's certificate has changed: trusted is ${named(verdict.before)}, made ${dateTime(verdict.before.notBeforeMs)}; now it shows ${named(verdict.leaf)}, made ${dateTime(verdict.leaf.notBeforeMs)}${besides}. If it was renewed there: ${command} (if nobody did that, somebody may pretend to be the server)`;
  return `the server's certificate is not trusted yet: ${named(verdict.leaf)}, ${verdict.leaf.applicationUri ?? 'without an application URI'}${besides}. If the server shows the same thumbprint: ${command}`;
}

const named = ({ name, thumbprint }: Certificate): string => `"${name}", thumbprint ${grouped(thumbprint)}`;
