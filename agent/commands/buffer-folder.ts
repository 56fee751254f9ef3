import { resolve } from 'node:path';
import { BufferView } from '../../buffer/view/view.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { BufferError, UsageError } from '../errors.ts';
import type { CommandArgs, Io, Option } from './command.ts';
import { configured } from './configured.ts';

export const folderOption: Option = {
  value: 'FOLDER',
  about: 'the buffer in this folder, e.g. of a card from another machine, instead of the one that FILE names',
};

/** The buffer that a command was asked about. */
export interface Asked {
  readonly folder: string;
  /** null when a folder was named instead of a configuration. */
  readonly config: SiteConfig | null;
}

/** Throws UsageError, ConfigError. */
export function asked(args: CommandArgs, io: Io): Asked {
  const folder = args.values['folder'];
  if (typeof folder !== 'string') {
    const config = configured(args, io, { noSecrets: true, quiet: true });
    return { folder: config.buffer.path, config };
  }
  if (args.positionals.length > 0)
    throw new UsageError(`--folder ${folder} and FILE ${String(args.positionals[0])} name two buffers; one is allowed`);
  return { folder: resolve(folder), config: null };
}

/**
 * What `look` gives, and its copies are removed whatever happens; `none`: what to do where the configuration's buffer does not exist yet.
 * Throws BufferError, also for a named folder that does not exist.
 */
export async function looking<T>(
  { folder, config }: Asked,
  none: () => T,
  look: (view: BufferView) => Promise<T> | T,
  how: { readonly isQuick?: boolean } = {},
): Promise<T> {
  const view = BufferView.open(folder, how);
  if (view === null) {
    if (config === null)
      throw new BufferError('NO_BUFFER', `${folder} does not exist or is empty; name the folder of a buffer`);
    return none();
  }
  try {
    return await look(view);
  } finally {
    view.close();
  }
}

export function noBufferYet(folder: string): string {
  return `${folder}: no buffer yet; sluice run makes it at its first start`;
}
