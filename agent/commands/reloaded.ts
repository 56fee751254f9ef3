import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import type { Log } from '../log/log.ts';
import type { Io } from './command.ts';

/** The file as it is now, when the gateway goes on under it; null: it goes on as it was, or ends (`Gateway.failed`). Never rejects. */
export async function reloaded(
  file: string,
  env: Io['env'],
  gateway: Pick<Gateway, 'reload' | 'refused'>,
  log: Pick<Log, 'error' | 'warning'>,
): Promise<SiteConfig | null> {
  const config = loaded(file, env, gateway, log);
  if (config === null) return null;
  try {
    await gateway.reload(config);
    return config;
  } catch (error) {
    // Anything else came half-way: the gateway has told it, and ends.
    if (error instanceof ConfigError) gateway.refused(messageOf(error), 1);
    return null;
  }
}

function loaded(
  file: string,
  env: Io['env'],
  gateway: Pick<Gateway, 'refused'>,
  log: Pick<Log, 'error' | 'warning'>,
): SiteConfig | null {
  try {
    const { config, problems } = loadConfig(file, { env });
    for (const problem of problems) log[problem.severity](problemText(problem), {}, null);
    if (config === null) {
      const errors = problems.filter(({ severity }) => severity === 'error');
      gateway.refused(`it has ${errors.length === 1 ? 'a problem' : `${errors.length} problems`}`, errors.length);
    }
    return config;
  } catch (error) {
    gateway.refused(messageOf(error), 1);
    return null;
  }
}
