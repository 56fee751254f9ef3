import { cpSync, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FileSite } from '../faults/file-site.ts';
import { missingTool } from '../support/tools.ts';
import type { Books } from './books.ts';
import { booksOf } from './books.ts';
import { below, randomFrom } from './random.ts';
import { shimmedSite } from './row.ts';
import type { Row } from './row.ts';
import { Served } from './served.ts';
import type { TimedReading } from './served.ts';
import { SetClock } from './set-clock.ts';
import type { Shim } from './shim.ts';
import { damageBuffer } from './stopped-damage.ts';

const sickDisks = [
  ['sync * p=0.1 EIO', 'write * p=0.02 EIO'],
  ['write,sync * always EIO'],
  ['write,create * always ENOSPC'],
  ['write,create,truncate,rename,unlink,mkdir * always EROFS'],
  ['open,create,look * p=0.3 EMFILE'],
  ['sync * always delay=50..2000'],
  ['read * p=0.05 EIO'],
  ['write * p=0.1 short'],
  ['unlink,rename * always EIO'],
  ['map * always ENOMEM'],
];

/** All that the run can be set upon. */
interface World {
  readonly site: FileSite;
  readonly shim: Shim;
  readonly clock: SetClock;
  readonly random: () => number;
  isAway: boolean;
}

type Nemesis = (world: World) => Promise<string>;

const nemeses: readonly Nemesis[] = [
  async ({ shim, random }) => {
    const rules = sickDisks[below(sickDisks.length, random)] ?? [];
    shim.setRules(rules);
    await sleep(1_000 + random() * 5_000);
    return rules.join(', ');
  },
  async ({ site }) => {
    await site.daemon.end('SIGKILL');
    return 'kill -9';
  },
  async ({ site }) => {
    const code = await site.daemon.end('SIGTERM');
    return `SIGTERM (ended with ${String(code)})`;
  },
  async ({ site, shim, random }) => {
    const at = 1 + below(200, random);
    shim.setRules([`* * nth=${at} exit`]);
    await Promise.race([site.daemon.ended, sleep(5_000)]);
    return `end at call ${at}`;
  },
  async ({ site, random }) => {
    const { pid } = site.daemon;
    if (pid === undefined || !signalled(pid, 'SIGSTOP')) return 'nobody to stop';
    await sleep(500 + random() * 4_000);
    signalled(pid, 'SIGCONT');
    return 'SIGSTOP';
  },
  async (world) => {
    reload(world);
    return Promise.resolve('SIGHUP');
  },
  async (world) => {
    world.isAway = !world.isAway;
    reload(world);
    await sleep(world.random() * 3_000);
    return world.isAway ? 'the broker goes' : 'the broker comes';
  },
  async ({ clock, random }) => {
    const told = clock.wrong(random);
    await sleep(random() * 4_000);
    return told;
  },
  async ({ clock, random }) => {
    clock.right();
    await sleep(random() * 2_000);
    return 'the clock is right';
  },
];

/** False: it has ended by itself. */
function signalled(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function reload({ site, random, isAway }: World): void {
  const uplink = isAway ? { kafka: { brokers: ['127.0.0.1:1'] } } : site.fileUplink;
  site.daemon.rewrite({ ...site.config, uplink, buffer: { commitEvery: `${100 + below(900, random)}ms` } });
  site.daemon.hangup();
}

/** Row 35: everything at once, in rounds. Between two of them nothing is sick, and within a minute all that was accepted must be given or told. */
export const nemesis: Row = {
  about:
    'sick disks, kills, stops, pauses, reloads, outages, a clock that is set wrong, damaged files: in a random order',
  async run({ seed, minutes, say }) {
    const missing = missingTool('faketime');
    if (missing !== undefined) throw new Error(missing);
    const random = randomFrom(seed);
    const { site, shim, remove } = await shimmedSite({ seed, say }, { clock: { source: 'timedatectl' } });
    const served = new Served(site.meters);
    const clock = new SetClock(site.folder, shim.env['LD_PRELOAD'] ?? '');
    const world: World = { site, shim, clock, random, isAway: false };
    const env = { ...shim.env, ...clock.env };
    try {
      const until = performance.now() + minutes * 60_000;
      site.daemon.start(env);
      for (let round = 1; performance.now() < until; round++) {
        const told = await chaos(world, env);
        const wrong = await reckon(world, env, served, (text) => say(`${round}: ${text}`));
        if (wrong.length > 0)
          return [...wrong, `in round ${round}: ${told.join('; ')}`, `all of it is kept in ${kept(site)}`];
      }
      return [];
    } finally {
      served.close();
      await remove();
    }
  },
};

/** A copy of the site as it is: no run comes again by its seed alone, since the daemon's threads and the disk take their own time. */
function kept(site: FileSite): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-row-35-'));
  cpSync(site.folder, folder, { recursive: true, filter: (file) => !statSync(file).isSocket() });
  return folder;
}

/** One thing after the other without a pause for recovery; in most rounds, once, files are damaged while nobody has them open. */
async function chaos(world: World, env: Readonly<Record<string, string>>): Promise<string[]> {
  const { site, shim, random } = world;
  const told: string[] = [];
  const acts = 4 + below(12, random);
  let isDamageDue = random() < 0.8;
  if (isDamageDue) {
    // So that there is something to harm.
    world.isAway = true;
    reload(world);
    told.push('the broker goes');
    await sleep(2_000 + random() * 4_000);
  }
  for (let at = 0; at < acts; at++) {
    told.push((await nemeses[below(nemeses.length, random)]?.(world)) ?? '');
    const isRunning = (await Promise.race([site.daemon.ended, sleep(random() * 2_000, 'runs')])) === 'runs';
    if (random() < 0.6) shim.setRules([]);
    if (isRunning) continue;
    if (isDamageDue && at > 2) {
      told.push(damageBuffer(join(site.folder, 'state', 'buffer'), random));
      isDamageDue = false;
    }
    site.daemon.start(env);
  }
  return told;
}

/** All is healed. Resolves with what is wrong a minute later at the latest. */
async function reckon(
  world: World,
  env: Readonly<Record<string, string>>,
  served: Served,
  say: (text: string) => void,
): Promise<string[]> {
  const { site, shim, clock } = world;
  shim.setRules([]);
  clock.right();
  world.isAway = false;
  reload(world);
  const tap = site.daemon.tap();
  const fromMs = performance.now();
  let books: Books;
  do {
    // As systemd does.
    if ((await Promise.race([site.daemon.ended, sleep(1_000, 'runs')])) !== 'runs') site.daemon.start(env);
    books = booksOf(tap, 'ps-12', site.delivered());
  } while (books.silent.length > 0 && performance.now() - fromMs < 60_000);
  const { silent, wrong, ...counts } = books;
  const times = timesOf(site, served);
  say(JSON.stringify({ ...counts, ...times.marked, tookMs: Math.round(performance.now() - fromMs) }));
  const lost = silent.length === 0 ? [] : [`${silent.length} neither given nor told: ${silent.slice(0, 5).join(' ')}`];
  return [...lost, ...wrong.slice(0, 20), ...times.wrong.slice(0, 20)];
}

/** Whatever claims a right time must have it; the rest is counted by its mark. */
function timesOf(site: FileSite, served: Served): { wrong: string[]; marked: Record<string, number> } {
  const marked: Record<string, number> = {};
  const wrong: string[] = [];
  for (const { value: text } of site.delivered()) {
    const one = JSON.parse(text) as TimedReading & { value: number | null; clock: string };
    if (one.point === null || typeof one.value !== 'number') continue;
    marked[one.clock] = (marked[one.clock] ?? 0) + 1;
    const fault = one.clock === 'synced' || one.clock === 'corrected' ? served.wrong(one) : null;
    if (fault !== null) wrong.push(`${fault} (${one.clock})`);
  }
  return { wrong, marked };
}
