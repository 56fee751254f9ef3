import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { askChrony, isTrackingRight } from './chrony.ts';
import type { Trust } from '../clock.ts';

/** Asks whether the wall clock is kept right. Never rejects, answers within seconds. */
export type TrustSource = () => Promise<Trust | Vouched>;

/** The clock was right when the service last compared it. */
export interface Vouched {
  readonly trust: 'synced';
  /** Another text after each comparison: after a step of the clock only another one counts. */
  readonly proof: string;
}

export const timeSourceNames = ['auto', 'timesyncd', 'chrony', 'timedatectl', 'trusted', 'none'] as const;
export type TimeSourceName = (typeof timeSourceNames)[number];

export interface TimeSourcePlaces {
  /** Runtime folder of systemd-timesyncd: there while it runs. `synchronized` in it is touched at each synchronisation (systemd-timesyncd(8)). */
  readonly timesyncFolder: string;
  /** Of chronyd's commands, on loopback (chrony.conf(5), cmdport). */
  readonly chronyPort: number;
  readonly timedatectl: string;
}

const usual: TimeSourcePlaces = {
  timesyncFolder: '/run/systemd/timesync',
  chronyPort: 323,
  timedatectl: 'timedatectl',
};

const TIMEDATECTL_DEADLINE_MS = 2_000;

/** `unknown` wherever nobody keeps the time who could say that it is wrong. */
export function timeSource(name: TimeSourceName, places: TimeSourcePlaces = usual): TrustSource {
  const flag: TrustSource = () => timesyncd(places.timesyncFolder);
  const daemon: TrustSource = () => chrony(places.chronyPort);
  const command: TrustSource = () => timedatectl(places.timedatectl);
  const sources: Record<TimeSourceName, TrustSource> = {
    auto: async () => {
      for (const ask of [flag, daemon]) {
        const answer = await ask();
        if (answer !== 'unknown') return answer;
      }
      return command();
    },
    timesyncd: flag,
    chrony: daemon,
    timedatectl: command,
    trusted: () => Promise.resolve('synced'),
    none: () => Promise.resolve('unknown'),
  };
  return sources[name];
}

async function timesyncd(folder: string): Promise<Trust | Vouched> {
  const flag = await touchedMs(`${folder}/synchronized`);
  if (flag !== null) return { trust: 'synced', proof: String(flag) };
  return (await touchedMs(folder)) === null ? 'unknown' : 'unsynced';
}

/** null: it is not there. */
function touchedMs(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => null,
  );
}

async function chrony(port: number): Promise<Trust | Vouched> {
  const tracking = await askChrony(port);
  if (tracking === null) return 'unknown';
  return isTrackingRight(tracking) ? { trust: 'synced', proof: tracking.reference } : 'unsynced';
}

/**
 * `NTPSynchronized=no` is an answer only where a time service is switched on (`NTP=yes`); else nobody is there to ask. A step sets it to no (adjtimex(2)),
 * so each yes is of a comparison since.
 */
function timedatectl(command: string): Promise<Trust | Vouched> {
  return new Promise((resolve) => {
    const args = ['show', '--property=NTP', '--property=NTPSynchronized'];
    execFile(command, args, { timeout: TIMEDATECTL_DEADLINE_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      const lines = new Set(error === null ? stdout.split('\n') : []);
      if (lines.has('NTPSynchronized=yes')) resolve({ trust: 'synced', proof: String(performance.now()) });
      else resolve(lines.has('NTP=yes') ? 'unsynced' : 'unknown');
    });
  });
}
