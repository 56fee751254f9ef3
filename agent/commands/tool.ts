import { driverFor, registry } from '../../drivers/registry.ts';
import type { Finding, ToolHost, Tools } from '../../drivers/tools.ts';
import { builtAtMs } from '../build-time.ts';
import { builtInProfiles, readBuiltIn } from '../config/built-in-profiles.ts';
import { loadConfig } from '../config/load.ts';
import { nearest } from '../config/nearest.ts';
import { defaultProfileFolder, readProfiles } from '../config/profile-folder.ts';
import { homeOf } from '../config/site-config.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { child, valueOf } from '../config/source.ts';
import { ConfigError, UsageError } from '../errors.ts';
import { systemClock } from '../time/system-clock.ts';
import { timeSource } from '../time/time-sources.ts';
import { daemonAt, socketOf } from '../control/client.ts';
import { defaultFile } from './command.ts';
import type { CommandArgs, Io, Option } from './command.ts';
import { tableText } from './printing.ts';

/** Whose lines are borrowed. */
export const configOption: Option = {
  value: 'FILE',
  about: `the configuration of the daemon that may have the line open (${defaultFile}); then it is asked through it`,
};

/** Whose user, keys and endpoint are taken. */
export const connectionOption: Option = {
  value: 'NAME',
  about: 'takes endpoint, security and user of this connection of the configuration; the URL may be left out',
  example: 'plc',
};

/** Runs what a driver offers for this URL, prints what it found, and gives the exit code. */
export async function useTools(
  { values, positionals }: CommandArgs,
  io: Io,
  use: (tools: Tools, url: string, host: ToolHost, plan: unknown) => Promise<Finding>,
): Promise<number> {
  const url = positionals[0] ?? '';
  const { config: stated, connection: name } = values;
  const isNamed = typeof stated === 'string';
  const file = isNamed ? stated : defaultFile;
  const { config } = loadConfig(file, { env: io.env, noSecrets: true });
  const connection = typeof name === 'string' ? connectionOf(config, name, file) : null;
  const tools = connection === null ? await toolsFor(url) : await toolsOf(connection.driver);
  const owner = daemonAt(socketOf(file, isNamed, io.env));
  const clock = systemClock({ source: timeSource('none'), builtAtMs });
  try {
    const shown = watched(io);
    const host: ToolHost = {
      clock,
      owner,
      ...(config && { home: homeOf(config) }),
      signal: io.signal,
      profiles: knownProfiles,
      ...shown,
    };
    const { ok, json, parts, notes = [] } = await use(tools, url, host, connection?.plan ?? null);
    shown.progress('');
    const text = parts.map((part) =>
      typeof part === 'string' ? `${part}\n` : tableText(part.head, part.rows, part.right),
    );
    const lines = Array.isArray(json) ? json : [json];
    io.stdout.write(
      values['json'] === true ? lines.map((one) => `${JSON.stringify(one)}\n`).join('') : text.join('\n'),
    );
    for (const note of notes) shown.tell(note);
    return ok ? 0 : 1;
  } finally {
    clock.close();
  }
}

function knownProfiles(): { name: string; model: string }[] {
  const files = [...readProfiles(defaultProfileFolder).profiles, ...builtInProfiles(registry).map(readBuiltIn)];
  return files.flatMap(({ name, source }) => {
    const node = child(source.root, 'model');
    const model: unknown = node === undefined ? undefined : valueOf(node);
    return typeof model === 'string' ? [{ name, model }] : [];
  });
}

/** Progress is for a terminal only. */
function watched({ stderr }: Io): Pick<ToolHost, 'tell' | 'progress'> {
  let isShown = false;
  return {
    tell: (text) => void stderr.write(`${text}\n`),
    progress: (text) => {
      if (stderr.isTTY !== true || (text === '' && !isShown)) return;
      isShown = text !== '';
      stderr.write(`\r\u001B[K${text}`);
    },
  };
}

function connectionOf(config: SiteConfig | null, name: string, file: string): SiteConfig['connections'][number] {
  if (config === null) throw new ConfigError(`${file} has problems; look at them with: sluice check ${file}`);
  const found = config.connections.find(({ id }) => id === name);
  if (found !== undefined) return found;
  const known = config.connections.map(({ id }) => id);
  const meant = nearest(name, known);
  throw new UsageError(
    `there is no connection ${JSON.stringify(name)} in ${file}; ${meant === undefined ? `it has ${known.join(', ')}` : `did you mean \`${meant}\`?`}`,
  );
}

async function toolsOf(driver: string): Promise<Tools> {
  const tools = await driverFor(driver)?.tools?.load();
  if (tools?.browse !== undefined) return tools;
  throw new UsageError(`--connection is for opcua; this one is ${driver}: what it says stands in the URL`);
}

async function toolsFor(url: string): Promise<Tools> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  const offered = registry.families.flatMap(({ tools }) => tools ?? []);
  const found = offered.find(({ schemes }) => schemes.some((each) => each === scheme));
  if (found !== undefined) return found.load();
  const schemes = offered.flatMap((each) => each.schemes).map((each) => `${each}://`);
  throw new UsageError(`${JSON.stringify(url)}: a URL that begins with ${schemes.join(', ')} is expected`);
}
