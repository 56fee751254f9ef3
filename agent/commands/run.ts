import { openSync, writeSync } from 'node:fs';
import { beginWriter } from '../../buffer/thread.ts';
import { aborted, firesAfter } from '../aborted.ts';
import { builtAtMs } from '../build-time.ts';
import { same } from '../config/same.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { socketIn } from '../control/client.ts';
import { serveControl } from '../control/server.ts';
import type { ControlServer } from '../control/server.ts';
import { messageOf } from '../errors.ts';
import { startGateway } from '../gateway.ts';
import type { Gateway, GatewayParts } from '../gateway.ts';
import { openLog } from '../log/log.ts';
import { Reloads } from '../reloads.ts';
import type { Seq, Stream } from '../reading.ts';
import { beat } from '../status/heart.ts';
import { serveStatus } from '../status/http.ts';
import type { StatusServer } from '../status/http.ts';
import { openNotify } from '../status/notify.ts';
import type { Notify } from '../status/notify.ts';
import { systemClock } from '../time/system-clock.ts';
import { timeSource } from '../time/time-sources.ts';
import { version } from '../version.ts';
import { fileArgument } from './command.ts';
import type { Command, CommandArgs } from './command.ts';
import { configured } from './configured.ts';
import { reloaded } from './reloaded.ts';

/** Of the 5 s that a stop may take: for what can still be sent, and for everything. */
const drainMs = 3_000;
const stopMs = 4_200;
/** For a reader of the log to take the last lines. */
const lastLinesMs = 200;

export const run: Command = {
  name: 'run',
  about: `The daemon: polls, keeps every reading durably, forwards it.
SIGHUP: loads FILE anew. A broken file changes nothing and says so; a good one closes and opens only the connections that changed.
SIGTERM or SIGINT: stops polling, sends what it can within ${drainMs / 1000} s, seals the buffer; what is left waits for the next start.`,
  arguments: [fileArgument],
  options: {
    tap: {
      value: 'FILE',
      about: `appends a line for every commit of a lane, when it has returned: epoch, stream, sequence numbers.
For audits: whoever holds it can prove that nothing accepted was lost`,
    },
    json: { about: 'the log is one JSON object a line, on a terminal and in the journal too' },
  },
  examples: [
    { line: 'sluice run', about: 'as the service does' },
    { line: 'sluice run site.json', about: 'with another configuration' },
  ],
  exits: { 0: 'stopped in order', 1: 'it could not go on', 78: 'the configuration is wrong' },

  async run(args, io) {
    let reload: (() => Promise<void>) | null = null;
    const reloads = new Reloads(async () => reload?.());
    io.onHangup?.(() => reloads.request());
    const writer = beginWriter();
    const warnings: string[] = [];
    let config: SiteConfig;
    try {
      config = configured(args, io, { noSecrets: false, again: true, warning: (text) => warnings.push(text) });
    } catch (error) {
      await writer.terminate();
      throw error;
    }
    const clock = systemClock({ source: timeSource(config.clock.source), builtAtMs });
    const log = openLog({ stream: io.stderr, clock, env: io.env, json: args.values['json'] === true });
    for (const text of warnings) log.warning(text, {}, null);
    const notify = openNotify({ env: io.env, pid: process.pid, clock, log });
    // However far the start has come by then.
    const late = firesAfter(stopMs, io.signal);
    let status: StatusServer | null = null;
    let control: ControlServer | null = null;
    try {
      const gateway = await opened(config, { clock, log, writer, ...tapOf(args) }, notify, io.signal);
      notify.ready();
      void beat({ gateway, notify, clock, log, signal: io.signal });
      const serve = async ({ status: listen }: SiteConfig): Promise<StatusServer | null> =>
        listen && (await serveStatus({ listen, status: () => gateway.status(), version: version(), clock, log }));
      status = await serve(config);
      control = await serveControl(socketIn(config.stateDir), gateway.lines, log);
      reload = async () => {
        notify.reloading();
        const next = await reloaded(config.file, io.env, gateway, log);
        if (next !== null && !same(config.status, next.status)) {
          await status?.close();
          status = await serve(next);
        }
        config = next ?? config;
        notify.ready();
      };
      reloads.open();
      const failure = await Promise.race([gateway.failed, aborted(io.signal)]);
      const endedAtMs = performance.now();
      if (failure) log.error(`The daemon cannot go on: ${messageOf(failure)}`);
      else log.info('Stopping.');
      notify.stopping();
      const end = failure ? AbortSignal.timeout(stopMs) : late;
      await Promise.race([reloads.close(), aborted(end)]);
      await control.close();
      await gateway.stop(Math.max(0, Math.round(drainMs - (performance.now() - endedAtMs))), end);
      log.info('Stopped.');
      return failure ? 1 : 0;
    } finally {
      await control?.close();
      await status?.close();
      await log.close(lastLinesMs);
      clock.close();
    }
  },
};

/** The running gateway. A signal meanwhile is answered when it runs; main cuts short what takes too long, as a disk that holds the writer thread. */
async function opened(
  config: SiteConfig,
  parts: GatewayParts,
  notify: Notify,
  stopping: AbortSignal,
): Promise<Gateway> {
  const isOver = new AbortController();
  notify.opening(AbortSignal.any([isOver.signal, stopping]));
  try {
    // The first reading must not bear a wrong mark.
    await Promise.race([parts.clock.ready, aborted(stopping)]);
    return await startGateway(config, parts);
  } finally {
    isOver.abort();
  }
}

function tapOf({ values }: CommandArgs): Pick<GatewayParts, 'tap'> {
  const file = values['tap'];
  return typeof file === 'string' ? { tap: openTap(file) } : {};
}

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
