import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import type { Trust } from './clock.ts';

/** Asks whether the wall clock is kept right. Never rejects, answers within seconds. */
export type TrustSource = () => Promise<Trust>;

export const timeSourceNames = ['auto', 'timesyncd', 'timedatectl', 'trusted', 'none'] as const;
export type TimeSourceName = (typeof timeSourceNames)[number];

export interface TimeSourcePlaces {
  /** Runtime folder of systemd-timesyncd: there while it runs. `synchronized` in it is touched at each synchronisation (systemd-timesyncd(8)). */
  readonly timesyncFolder: string;
  readonly timedatectl: string;
}

const usual: TimeSourcePlaces = { timesyncFolder: '/run/systemd/timesync', timedatectl: 'timedatectl' };

const TIMEDATECTL_DEADLINE_MS = 2_000;

/** `unknown` wherever nobody keeps the time who could say that it is wrong. */
export function timeSource(name: TimeSourceName, places: TimeSourcePlaces = usual): TrustSource {
  const flag: TrustSource = () => timesyncd(places.timesyncFolder);
  const command: TrustSource = () => timedatectl(places.timedatectl);
  const sources: Record<TimeSourceName, TrustSource> = {
    auto: async () => {
      const trust = await flag();
      return trust === 'unknown' ? command() : trust;
    },
    timesyncd: flag,
    timedatectl: command,
    trusted: () => Promise.resolve('synced'),
    none: () => Promise.resolve('unknown'),
  };
  return sources[name];
}

async function timesyncd(folder: string): Promise<Trust> {
  if (await exists(`${folder}/synchronized`)) return 'synced';
  return (await exists(folder)) ? 'unsynced' : 'unknown';
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** `NTPSynchronized=no` is an answer only where a time service is switched on (`NTP=yes`); else nobody is there to ask. */
function timedatectl(command: string): Promise<Trust> {
  return new Promise((resolve) => {
    const args = ['show', '--property=NTP', '--property=NTPSynchronized'];
    execFile(command, args, { timeout: TIMEDATECTL_DEADLINE_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      const lines = new Set(error === null ? stdout.split('\n') : []);
      if (lines.has('NTPSynchronized=yes')) resolve('synced');
      else resolve(lines.has('NTP=yes') ? 'unsynced' : 'unknown');
    });
  });
}
