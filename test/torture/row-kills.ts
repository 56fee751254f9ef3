import { setTimeout as sleep } from 'node:timers/promises';
import { below, randomFrom } from './random.ts';
import { shimmedSite } from './row.ts';
import type { Row } from './row.ts';

const mostKills = 500;

/** Row 1: kill -9 at a random moment, and in turn the end at a random call. */
export const kills: Row = {
  about: `kill -9 after 50 to 2000 ms, and in turn at a random call, up to ${mostKills} times`,
  async run({ seed, minutes, say }) {
    const random = randomFrom(seed);
    const { site, shim, verdict, remove } = await shimmedSite({ seed, say });
    try {
      const until = performance.now() + minutes * 60_000;
      let killed = 0;
      for (; killed < mostKills && performance.now() < until; killed++) {
        const isCall = killed % 2 === 1;
        shim.setRules(isCall ? [`* * nth=${1 + below(10 ** (1 + random() * 2), random)} exit`] : []);
        site.daemon.start(shim.env);
        if (isCall) await Promise.race([site.daemon.ended, sleep(10_000)]);
        else await sleep(50 + random() * 1_950);
        await site.daemon.end('SIGKILL');
        if (killed % 50 === 49) say(`${killed + 1} kills`);
      }
      say(`${killed} kills`);
      return await verdict();
    } finally {
      await remove();
    }
  },
};
