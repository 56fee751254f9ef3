import { cutPower, reportOf } from './cuts.ts';
import { recordWorkload } from './record.ts';
import type { Row } from './row.ts';

const cutsPerRecording = 10_000;

/** Row 2: recording after recording, each cut 10,000 times. */
export const cuts: Row = {
  about: `power cuts, ${cutsPerRecording} of each recording, a new recording until the time is over`,
  async run({ seed, minutes, say }) {
    const until = performance.now() + minutes * 60_000;
    for (let round = 0; round === 0 || performance.now() < until; round++) {
      const recording = await recordWorkload({ seed: seed + round, starts: 8, commitsPerStart: 60 });
      try {
        const sum = await cutPower(recording.log, { seed: seed + round, cuts: cutsPerRecording }, (count) =>
          say(`${count} cuts`),
        );
        say(reportOf(sum));
        const faults = [...sum.failedStarts, ...sum.losing, ...sum.wrong];
        if (faults.length > 0) return faults.map(({ cut, what }) => `recording ${seed + round}, cut ${cut}: ${what}`);
      } finally {
        recording.remove();
      }
    }
    return [];
  },
};
