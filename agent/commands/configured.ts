import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { ConfigError, UsageError } from '../errors.ts';
import { defaultFile } from './command.ts';
import type { CommandArgs, Io } from './command.ts';

/**
 * The configuration that a command was given, its problems told on standard error; `quiet`: only when it cannot be used. Throws ConfigError then.
 * `again`: the command reads the file later once more, so standard input will not do.
 * `warning`: takes the warnings of one that can be used, a line each.
 */
export function configured(
  { positionals }: CommandArgs,
  { env, stderr }: Io,
  options: { noSecrets: boolean; quiet?: boolean; again?: boolean; warning?: (text: string) => void },
): SiteConfig {
  const file = positionals[0] ?? defaultFile;
  if (file === '-' && options.again === true)
    throw new UsageError('FILE is - (standard input), and it is read again later; name a file');
  const { problems, config } = loadConfig(file, { env, ...options });
  const tell = (config && options.warning) ?? ((text: string): unknown => stderr.write(`${text}\n`));
  if (!config || options.quiet !== true) for (const problem of problems) tell(problemText(problem));
  if (!config)
    throw new ConfigError(
      `${file} has problems, nothing was opened; mend them and look again with: sluice check ${file}`,
    );
  return config;
}
