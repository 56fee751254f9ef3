import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { shimmedSite } from './row.ts';
import type { Row } from './row.ts';

/** Row 32: the daemon is the nicest process of a machine that computes on every core. */
export const starvation: Row = {
  about: 'nice 19 beside two busy loops on every core',
  async run({ seed, minutes, say }) {
    const { site, shim, verdict, remove } = await shimmedSite({ seed, say });
    const loops: ChildProcess[] = [];
    try {
      site.daemon.start(shim.env);
      await site.accepted(5);
      loops.push(...Array.from({ length: 2 * availableParallelism() }, () => spinning(minutes)));
      execFileSync('renice', ['-n', '19', '-p', String(site.daemon.pid)], { stdio: 'ignore' });
      const polls = site.meters.polls(1);
      await sleep(minutes * 60_000);
      const perSecond = (site.meters.polls(1) - polls) / (minutes * 60);
      await site.daemon.end('SIGTERM');
      say(`${perSecond.toFixed(1)} polls/s of 11`);
      const lost = site.delivered().filter(({ value }) => value.includes('"device-lost"')).length;
      return [
        ...(lost > 2 ? [`the device was told to be lost ${lost} times`] : []),
        ...(perSecond < 0.1 ? [`${perSecond} polls/s: it hardly polled`] : []),
        ...(await verdict()),
      ];
    } finally {
      for (const loop of loops) loop.kill('SIGKILL');
      await remove();
    }
  },
};

/** Ends by itself some time after the row. */
function spinning(minutes: number): ChildProcess {
  const script = `const until = Date.now() + ${(minutes + 2) * 60_000}; while (Date.now() < until);`;
  return spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
}
