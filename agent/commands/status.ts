import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { loadConfig } from '../config/load.ts';
import { splitHostPort } from '../config/grammar.ts';
import { problemText } from '../config/problems.ts';
import { child, readSource } from '../config/source.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { ConfigError, SluiceError, messageOf } from '../errors.ts';
import type { StatusPage } from '../status/page.ts';
import { statusText } from '../status/text.ts';
import { defaultFile, fileArgument } from './command.ts';
import type { Command, CommandArgs, Io } from './command.ts';

const answerMs = 5_000;
const mostBytes = 16_000_000;
/** Where a listener on every address of the machine is reached from here. */
const reached: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

type Listen = NonNullable<SiteConfig['status']>;

export const status: Command = {
  name: 'status',
  about: `What the running daemon is doing: first what needs somebody, then connections, devices, buffer and lanes. Asks it at \`status.listen\`.`,
  arguments: [fileArgument],
  options: {
    json: {
      about: 'one JSON value: /status.json as the daemon gives it; {"reachable":false,"reason"} where none answers',
    },
    all: { about: 'every device, however many' },
  },
  examples: [
    { line: 'sluice status', about: 'is all well?' },
    { line: 'sluice status --all site.json', about: 'with every device' },
    { line: 'sluice status --json', about: 'for a program' },
  ],
  exits: { 0: 'all is well', 1: 'something is not, or the daemon does not answer', 78: 'the configuration is wrong' },

  async run(args, io) {
    const isJson = args.values['json'] === true;
    const { gateway, listen, file } = loaded(args, io);
    if (listen === null)
      throw new SluiceError(
        'NO_STATUS',
        `${file} has no status to ask; add "status": { "listen": "127.0.0.1:8686" } and load it: systemctl reload sluice`,
      );
    const page = await asked(listen, io.signal).catch((error: unknown) => {
      if (isJson) io.stdout.write(`${JSON.stringify({ reachable: false, reason: messageOf(error) })}\n`);
      throw error;
    });
    const { wrong, remarks } = page.health;
    if (gateway !== null && page.gateway !== gateway)
      io.stderr.write(`sluice: gateway ${page.gateway} answers, and ${file} is that of ${gateway}\n`);
    const colour = io.stdout.isTTY === true && (io.env['NO_COLOR'] ?? '') === '';
    const text = isJson ? `${JSON.stringify(page)}\n` : statusText(page, { colour, all: args.values['all'] === true });
    io.stdout.write(text);
    return wrong.length === 0 && remarks.length === 0 ? 0 : 1;
  },
};

/** What is needed to ask. A file that is wrong elsewhere still says where to ask: the daemon may be running under the one before. */
function loaded({ positionals }: CommandArgs, { env, stderr }: Io): Asking {
  const file = positionals[0] ?? defaultFile;
  const { config, problems } = loadConfig(file, { env, noSecrets: true });
  if (config) return { file, gateway: config.gateway, listen: config.status };
  const listen = statedListen(file);
  if (listen === null) {
    for (const problem of problems) if (problem.severity === 'error') stderr.write(`${problemText(problem)}\n`);
    throw new ConfigError(`${file} has problems, so nobody was asked; a running daemon goes on as it was`);
  }
  stderr.write(`sluice: ${file} has problems (sluice check ${file}); asking at its status.listen all the same\n`);
  return { file, gateway: null, listen };
}

interface Asking {
  readonly file: string;
  /** null: the file is wrong. */
  readonly gateway: string | null;
  readonly listen: Listen | null;
}

function statedListen(file: string): Listen | null {
  try {
    const { root } = readSource(file, readFileSync(file));
    const node = child(child(root, 'status'), 'listen');
    return typeof node?.value === 'string' ? (splitHostPort(node.value) ?? null) : null;
  } catch {
    return null;
  }
}

async function asked(listen: Listen, signal: AbortSignal): Promise<StatusPage> {
  const place = `${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`;
  let text: string;
  try {
    text = await fetched(listen, AbortSignal.any([signal, AbortSignal.timeout(answerMs)]));
  } catch (error) {
    throw new SluiceError(
      'NO_ANSWER',
      `no answer at ${place} (status.listen): ${messageOf(error)}. Is the daemon running? Look with: systemctl status sluice`,
    );
  }
  const page = parsed(text);
  if (page === null)
    throw new SluiceError('NOT_SLUICE', `what answers at ${place} (status.listen) is not this version of Sluice`);
  return page;
}

function fetched({ host, port }: Listen, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: reached[host] ?? host, port, path: '/status.json', signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => {
        text += more;
        if (text.length > mostBytes) request.destroy(new Error('the answer does not end'));
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('error', (error) => reject(signal.aborted ? new Error(`nothing within ${answerMs / 1000} s`) : error));
  });
}

function parsed(text: string): StatusPage | null {
  try {
    const page = JSON.parse(text) as Partial<StatusPage> | null;
    const { gateway, health, connections, devices, buffer, lanes } = page ?? {};
    const lists = [health?.wrong, health?.remarks, connections, devices];
    const isOurs = typeof gateway === 'string' && lists.every(Array.isArray) && buffer && lanes;
    return isOurs ? (page as StatusPage) : null;
  } catch {
    return null;
  }
}
