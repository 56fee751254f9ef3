import { setTimeout as sleep } from 'node:timers/promises';
import type { FileSite } from '../faults/file-site.ts';
import { below, randomFrom } from './random.ts';
import { shimmedSite } from './row.ts';
import type { Row } from './row.ts';
import type { Shim } from './shim.ts';

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

type Nemesis = (site: FileSite, shim: Shim, random: () => number) => Promise<string>;

const nemeses: readonly Nemesis[] = [
  async (_site, shim, random) => {
    const rules = sickDisks[below(sickDisks.length, random)] ?? [];
    shim.setRules(rules);
    await sleep(1_000 + random() * 5_000);
    return rules.join(', ');
  },
  async (site) => {
    await site.daemon.end('SIGKILL');
    return 'kill -9';
  },
  async (site) => {
    const code = await site.daemon.end('SIGTERM');
    return `SIGTERM (ended with ${String(code)})`;
  },
  async (site, shim, random) => {
    const at = 1 + below(200, random);
    shim.setRules([`* * nth=${at} exit`]);
    await Promise.race([site.daemon.ended, sleep(5_000)]);
    return `end at call ${at}`;
  },
  async (site, _shim, random) => {
    if (site.daemon.pid === undefined) return 'nobody to stop';
    process.kill(site.daemon.pid, 'SIGSTOP');
    await sleep(500 + random() * 4_000);
    process.kill(site.daemon.pid, 'SIGCONT');
    return 'SIGSTOP';
  },
  async (site, _shim, random) => {
    site.daemon.rewrite({ ...site.config, buffer: { commitEvery: `${100 + below(900, random)}ms` } });
    site.daemon.hangup();
    return 'SIGHUP';
  },
];

/** Row 35, the disk's and the process's part: everything at once, one after the other, without a pause for recovery. */
export const nemesis: Row = {
  about: 'sick disks, kills, stops, pauses and reloads in a random order',
  async run({ seed, minutes, say }) {
    const random = randomFrom(seed);
    const { site, shim, verdict, remove } = await shimmedSite({ seed, say });
    try {
      const until = performance.now() + minutes * 60_000;
      site.daemon.start(shim.env);
      let starts = 1;
      let isRunning = true;
      for (let at = 1; performance.now() < until; at++) {
        const act = nemeses[below(nemeses.length, random)];
        const told = (await act?.(site, shim, random)) ?? '';
        const ended = await Promise.race([site.daemon.ended, sleep(random() * 2_000, 'runs')]);
        isRunning = ended === 'runs';
        if (at % 20 === 0) say(`${at}: ${told}`);
        if (random() < 0.6) shim.setRules([]);
        if (!isRunning) {
          site.daemon.start(shim.env);
          starts += 1;
        }
      }
      await site.daemon.end('SIGKILL');
      say(`${starts} starts`);
      return await verdict();
    } finally {
      await remove();
    }
  },
};
