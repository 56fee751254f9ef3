import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { shimmedSite } from './row.ts';
import type { Row } from './row.ts';

/** Row 32: the daemon is the nicest process of a machine that computes on every core. */
export const starvation: Row = {
  about: 'nice 19 beside two busy loops on every core',
  async run({ seed, minutes, say }) {
    const { site, shim, verdict, remove } = await shimmedSite({ seed, say });
    const loops = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn(
        process.execPath,
        [
          '-e',
          `setTimeout(() => process.exit(), ${(minutes + 2) * 60_000}); (function spin() { for (const from = Date.now(); Date.now() - from < 50; ); setImmediate(spin); })();`,
        ],
        { stdio: 'ignore' },
      ),
    );
    try {
      site.daemon.start(shim.env);
      execFileSync('renice', ['-n', '19', '-p', String(site.daemon.pid)], { stdio: 'ignore' });
      await site.accepted(5);
      const polls = site.meters.polls(1);
      await sleep(minutes * 60_000);
      const perSecond = (site.meters.polls(1) - polls) / (minutes * 60);
      await site.daemon.end('SIGTERM');
      say(`${perSecond.toFixed(1)} polls/s of 11`);
      const lost = site.delivered().filter(({ value }) => value.includes('"device-lost"')).length;
      return [
        ...(lost > 2 ? [`the device was told to be lost ${lost} times`] : []),
        ...(perSecond < 1 ? [`${perSecond} polls/s: it hardly polled`] : []),
        ...(await verdict()),
      ];
    } finally {
      for (const loop of loops) loop.kill('SIGKILL');
      await remove();
    }
  },
};
