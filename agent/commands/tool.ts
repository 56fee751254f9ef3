import { registry } from '../../drivers/registry.ts';
import type { Finding, ToolHost, Tools } from '../../drivers/tools.ts';
import { builtAtMs } from '../build-time.ts';
import { builtInProfiles, readBuiltIn } from '../config/built-in-profiles.ts';
import { defaultProfileFolder, readProfiles } from '../config/profile-folder.ts';
import { child, valueOf } from '../config/source.ts';
import { UsageError } from '../errors.ts';
import { systemClock } from '../system-clock.ts';
import { timeSource } from '../time-sources.ts';
import { daemonAt, socketOf } from '../control/client.ts';
import { defaultFile } from './command.ts';
import type { CommandArgs, Io, Option } from './command.ts';
import { tableText } from './printing.ts';

/** Whose lines are borrowed. */
export const configOption: Option = {
  value: 'FILE',
  about: `the configuration of the daemon that may have the line open (${defaultFile}); then it is asked through it`,
};

/** Runs what a driver offers for this URL, prints what it found, and gives the exit code. */
export async function useTools(
  { values, positionals }: CommandArgs,
  io: Io,
  use: (tools: Tools, url: string, host: ToolHost) => Promise<Finding>,
): Promise<number> {
  const url = positionals[0] ?? '';
  const tools = await toolsFor(url);
  const file = values['config'];
  const owner = daemonAt(socketOf(typeof file === 'string' ? file : defaultFile, typeof file === 'string', io.env));
  const clock = systemClock({ source: timeSource('none'), builtAtMs });
  try {
    const { ok, json, parts } = await use(tools, url, {
      clock,
      owner,
      signal: io.signal,
      profiles: knownProfiles,
      ...watched(io),
    });
    const text = parts.map((part) =>
      typeof part === 'string' ? `${part}\n` : tableText(part.head, part.rows, part.right),
    );
    io.stdout.write(values['json'] === true ? `${JSON.stringify(json)}\n` : text.join('\n'));
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

async function toolsFor(url: string): Promise<Tools> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  const offered = registry.families.flatMap(({ tools }) => tools ?? []);
  const found = offered.find(({ schemes }) => schemes.some((each) => each === scheme));
  if (found !== undefined) return found.load();
  const schemes = offered.flatMap((each) => each.schemes).map((each) => `${each}://`);
  throw new UsageError(`${JSON.stringify(url)}: a URL that begins with ${schemes.join(', ')} is expected`);
}
