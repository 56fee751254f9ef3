/**
 * A process that owns a buffer and writes to it as fast as it may: `buffer-owner.ts FOLDER MAX_BYTES`. A line for every commit of a lane on standard
 * output, the sequence numbers that are on disk now; ends in order when standard input ends.
 */
import { once } from 'node:events';
import { systemClock } from '../../agent/time/system-clock.ts';
import { timeSource } from '../../agent/time/time-sources.ts';
import { openBuffer } from '../../buffer/open.ts';
import { pointInfo, reading } from './readings.ts';

const [folder = '', maxBytes = ''] = process.argv.slice(2);
const clock = systemClock({ source: timeSource('none'), builtAtMs: 0 });
const buffer = await openBuffer({
  path: folder,
  maxBytes: Number(maxBytes),
  commitEveryMs: 1,
  clock,
  event: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  log: (message) => process.stderr.write(`${message}\n`),
  tap: (_epoch, _stream, seqs) => process.stdout.write(`${seqs.join(' ')}\n`),
});
const flow = pointInfo({ point: 'flow', kind: 'gauge', stream: 'sensor-values' });
process.stdin.resume();
const over = AbortSignal.any([AbortSignal.timeout(60_000), aborting(once(process.stdin, 'end'))]);
for (let value = 0; !over.aborted; value += 1) {
  const at = clock.now();
  await Promise.all([
    buffer.append('meter-readings', [reading({ value, at })]),
    buffer.append(
      'sensor-values',
      Array.from({ length: 40 }, () => reading({ point: flow, value: Math.random(), at })),
    ),
  ]);
  // Forty-one numbers a round: the older ones are delivered, so that segments are removed all the time.
  const delivered = (value - 100) * 41;
  if (delivered > 0)
    for (const stream of ['meter-readings', 'sensor-values'] as const) buffer.settle(stream, 1, delivered);
}
await buffer.close(AbortSignal.timeout(8_000));
clock.close();

function aborting(when: Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  void when.finally(() => controller.abort());
  return controller.signal;
}
