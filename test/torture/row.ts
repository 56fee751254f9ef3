import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acceptedIds, judge } from '../faults/checker.ts';
import { FileSite } from '../faults/file-site.ts';
import { Shim } from './shim.ts';

export interface RowOptions {
  readonly seed: number;
  /** About: what has begun is ended. */
  readonly minutes: number;
  readonly say: (text: string) => void;
}

/** One row of the faults, by hand and for long. */
export interface Row {
  readonly about: string;
  /** Resolves with what was wrong. */
  run(options: RowOptions): Promise<readonly string[]>;
}

/** A daemon with one meter and a file for an uplink, its state folder behind the shim. */
export interface ShimmedSite {
  readonly site: FileSite;
  readonly shim: Shim;
  /** Starts it on a healthy disk, ends it, and again: what was wrong with all that it accepted so far. */
  readonly verdict: () => Promise<string[]>;
  readonly remove: () => Promise<void>;
}

/** `some`: of the configuration. */
export async function shimmedSite(
  { seed, say }: Pick<RowOptions, 'seed' | 'say'>,
  some: Readonly<Record<string, unknown>> = {},
): Promise<ShimmedSite> {
  const site = await FileSite.start(some);
  const folder = join(site.folder, 'state');
  mkdirSync(folder);
  const shim = new Shim({ folder, seed });
  return {
    site,
    shim,
    verdict: async () => {
      shim.setRules([]);
      const wrong: string[] = [];
      let accepted: readonly string[] = [];
      for (let start = 0; start < 2; start++) {
        accepted = acceptedIds(site.daemon.tap(), 'ps-12');
        site.daemon.start(shim.env);
        await site.accepted(accepted.length + 10);
        await sleep(4_000);
        const code = await site.daemon.end('SIGTERM');
        if (code !== 0)
          wrong.push(`a start on a healthy disk ended with ${String(code)}: ${site.daemon.log.slice(-500)}`);
      }
      // Of what the last start itself accepted, some still lies in the buffer.
      const { accepted: count, delivered, repeated, ...lists } = judge(accepted, site.delivered());
      say(`${count} accepted, ${delivered} delivered, ${repeated} repeats`);
      const faults = Object.entries(lists).filter(([, ids]) => ids.length > 0);
      return [...wrong, ...faults.map(([name, ids]) => `${ids.length} ${name}: ${ids.slice(0, 5).join(' ')}`)];
    },
    remove: async () => {
      await site.remove();
      shim.remove();
    },
  };
}
