import { openSync, writeSync } from 'node:fs';
import { aborted } from '../aborted.ts';
import { builtAtMs } from '../build-time.ts';
import { messageOf } from '../errors.ts';
import { startGateway } from '../gateway.ts';
import { openLog } from '../log.ts';
import type { Seq, Stream } from '../reading.ts';
import { serveStatus } from '../status/http.ts';
import { systemClock } from '../system-clock.ts';
import { timeSource } from '../time-sources.ts';
import { fileArgument } from './command.ts';
import type { Command } from './command.ts';
import { configured } from './configured.ts';

/** Of the 5 s that a stop may take: for what can still be sent, and for everything. */
const drainMs = 3_000;
const stopMs = 4_500;

export const run: Command = {
  name: 'run',
  about: `The daemon: polls, keeps every reading durably, forwards it.
SIGTERM or SIGINT: stops polling, sends what it can within ${drainMs / 1000} s, seals the buffer; what is left waits for the next start.`,
  arguments: [fileArgument],
  options: {
    tap: {
      value: 'FILE',
      about: `appends a line for every commit of a lane, when it has returned: epoch, stream, sequence numbers.
For audits: whoever holds it can prove that nothing accepted was lost`,
    },
  },
  examples: [
    { line: 'sluice run', about: 'as the service does' },
    { line: 'sluice run site.json', about: 'with another configuration' },
  ],
  exits: { 0: 'stopped in order', 1: 'it could not go on', 78: 'the configuration is wrong' },

  async run(args, io) {
    const config = configured(args, io, { noSecrets: false });
    const log = openLog(io.stderr);
    const clock = systemClock({ source: timeSource(config.clock.source), builtAtMs });
    // The first reading must not bear a wrong mark.
    await clock.ready;
    const tapFile = args.values['tap'];
    const gateway = await startGateway(config, {
      clock,
      log,
      ...(typeof tapFile === 'string' ? { tap: openTap(tapFile) } : {}),
    });
    const status =
      config.status && (await serveStatus({ listen: config.status, status: () => gateway.status(), clock, log }));
    try {
      const failure = await Promise.race([gateway.failed, aborted(io.signal)]);
      if (failure) log.error(`The daemon cannot go on: ${messageOf(failure)}`);
      else log.info('Stopping.');
      await gateway.stop(drainMs, AbortSignal.timeout(stopMs));
      log.info('Stopped.');
      return failure ? 1 : 0;
    } finally {
      await status?.close();
      clock.close();
    }
  },
};

/** `41-k3v9q0za meter-readings 88213-88240,88251`, written before anybody else hears of the commit. */
function openTap(file: string): (epoch: string, stream: Stream, seqs: readonly Seq[]) => void {
  const handle = openSync(file, 'a');
  return (epoch, stream, seqs) => {
    const ranges: [Seq, Seq][] = [];
    for (const seq of seqs) {
      const last = ranges.at(-1);
      if (last && last[1] + 1 === seq) last[1] = seq;
      else ranges.push([seq, seq]);
    }
    writeSync(
      handle,
      `${epoch} ${stream} ${ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')}\n`,
    );
  };
}
