import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Buffer as Lanes } from '../buffer/buffer.ts';
import { openBuffer } from '../buffer/open.ts';
import type { Driver, DriverHost } from '../drivers/driver.ts';
import { driverFor } from '../drivers/registry.ts';
import { aborted } from './aborted.ts';
import type { Clock } from './clock.ts';
import type { SiteConfig } from './config/site-config.ts';
import { messageOf, SluiceError } from './errors.ts';
import { Events } from './events.ts';
import { startForwarder } from './forwarder.ts';
import type { Forwarder } from './forwarder.ts';
import type { Log } from './log.ts';
import { Losses } from './losses.ts';
import { startPoller } from './poller.ts';
import type { Poller } from './poller.ts';
import type { Reading, Seq, Stream } from './reading.ts';
import { streams } from './reading.ts';
import { fromFullHour } from './slots.ts';
import { startSupervisor } from './supervisor.ts';
import type { Supervisor } from './supervisor.ts';
import type { GatewayStatus } from './status/facts.ts';
import type { SystemClock } from './system-clock.ts';
import { chooseUplink } from './uplink/choose.ts';
import { jsonEncoding } from './uplink/encodings.ts';

export interface GatewayParts {
  readonly clock: SystemClock;
  readonly log: Log;
  /** Every accepted sequence number, when its commit has returned. */
  readonly tap?: (epoch: string, stream: Stream, seqs: readonly Seq[]) => void;
}

export interface Gateway {
  status(): GatewayStatus;
  /** Something without which the daemon is worthless died. Never rejects. */
  readonly failed: Promise<Error>;
  /** Stops polling, sends what it can in `drainMs`, seals the buffer. `signal` cuts it short. */
  stop(drainMs: number, signal: AbortSignal): Promise<void>;
}

const ending = {
  none: ', its buffer is new',
  clean: '',
  unclean: '; the start before it did not end in order, what was not noted as delivered is sent again',
} as const;
/** Nothing is written to `asset-metadata` yet; a connection for it would only tell its own troubles. */
const lanesInUse = streams.filter((stream) => stream !== 'asset-metadata');
const defaultMaxBytes = 2_000_000_000;
const defaultShareOfDisk = 0.2;
const drainLookMs = 20;
/** For the answer to what is being sent when the drain is over. */
const answerMs = 500;

/** Builds everything from the configuration, in the order in which it depends on each other, and takes it down in the reverse. */
export async function startGateway(config: SiteConfig, parts: GatewayParts): Promise<Gateway> {
  const { clock, log } = parts;
  const startedAt = clock.now();
  const events = new Events(config.gateway, config.site?.id ?? null, parts);
  const buffer = await openBuffer({
    path: config.buffer.path,
    maxBytes: config.buffer.maxBytes ?? defaultQuota(config.buffer.path),
    commitEveryMs: config.buffer.commitEveryMs,
    clock,
    event: (event) => events.tell(event),
    log: (message) => log.warning(message),
    ...(parts.tap ? { tap: parts.tap } : {}),
  });
  events.open(buffer);
  const devices = config.connections.flatMap((one) => one.devices).length;
  events.tell({
    event: 'start',
    severity: 'info',
    message: `Gateway ${config.gateway} started, ${devices} ${devices === 1 ? 'device' : 'devices'}${ending[buffer.before]}.`,
    facts: { epoch: buffer.epoch, before: buffer.before },
  });
  const stopWatching = clock.onStep(({ fromMs, toMs, stepMs }) =>
    events.tell({
      event: 'clock-step',
      severity: 'warning',
      message: `The wall clock was moved by ${stepMs} ms; slots go on at the next boundary of the new time.`,
      facts: { fromMs, toMs, stepMs },
    }),
  );
  const losses = new Losses(clock, (event) => events.accepted(event));
  const accept = (stream: Stream, readings: readonly Reading[]): Promise<void> =>
    buffer.append(stream, readings).then(
      () => losses.ended(),
      (error: unknown) => {
        losses.refused(readings, messageOf(error));
        throw error;
      },
    );

  const uplinks = await chooseUplink(config.uplink);
  const forwarders = new Map<Stream, Forwarder>();
  for (const lane of lanesInUse)
    forwarders.set(
      lane,
      startForwarder({
        lane,
        buffer,
        uplinks,
        encode: jsonEncoding(),
        clock,
        event: (event) => events.tell(event),
        log: (severity, message) => log[severity](message),
      }),
    );

  const host: DriverHost = {
    clock,
    push: async (seen) => {
      for (const [stream, ofStream] of Map.groupBy(seen, (one) => one.point.stream))
        await accept(
          stream,
          ofStream.map((one) => ({ ...one, slotMs: null })),
        );
    },
    event: (event) => events.tell(event),
  };
  const supervisors: Supervisor[] = [];
  const pollers: { readonly connection: string; readonly poller: Poller }[] = [];
  for (const connection of config.connections) {
    const supervisor = startSupervisor({
      connection: connection.id,
      load: () => loadDriver(connection.driver),
      plan: connection.plan,
      host,
      clock,
      log: (severity, message) => log[severity](message),
    });
    supervisors.push(supervisor);
    for (const device of connection.devices)
      pollers.push({
        connection: connection.id,
        poller: startPoller({
          device: {
            id: device.id,
            points: device.points.map(({ everyMs, ...point }) => ({ ...point, schedule: fromFullHour(everyMs) })),
          },
          link: supervisor,
          clock,
          // The poller does not wait for the disk; what is refused is counted.
          sink: (stream, readings) => void accept(stream, readings).catch(() => undefined),
          event: (event) => events.tell(event),
          log: (message) => log.warning(message),
          newestSlotMs: (id, point) => buffer.newestSlotMs(id, point),
        }),
      });
  }

  return {
    failed: buffer.failed,
    status: () => ({
      gateway: config.gateway,
      site: config.site?.id ?? null,
      epoch: buffer.epoch,
      startedAt,
      now: clock.now(),
      connections: supervisors.map((one) => one.state()),
      devices: pollers.map(({ connection, poller }) => ({ connection, ...poller.state() })),
      buffer: buffer.stats(),
      uplink: Object.fromEntries([...forwarders].map(([lane, one]) => [lane, one.state()])),
      refusedReadings: losses.count,
      events: events.counts(),
    }),
    async stop(drainMs, signal) {
      await Promise.all(pollers.map(({ poller }) => poller.stop()));
      await Promise.all(supervisors.map((one) => one.close()));
      stopWatching();
      // A disk that takes nothing must not keep a stop waiting.
      await Promise.race([losses.tell(), aborted(signal)]);
      const stop = events.accepted({
        event: 'stop',
        severity: 'info',
        message: `Gateway ${config.gateway} stops in order.`,
        facts: { epoch: buffer.epoch },
      });
      const noted = stop.catch((error: unknown) => log.warning(`The stop could not be noted: ${messageOf(error)}`));
      await Promise.race([noted, aborted(signal)]);
      await drained(buffer, forwarders, clock, AbortSignal.any([signal, AbortSignal.timeout(drainMs)]));
      const answer = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
      await Promise.all([...forwarders.values()].map((one) => one.stop(answer)));
      await buffer.close(signal);
      const untold = losses.untold();
      if (untold > 0)
        log.error(
          `${untold} readings that waited in memory for the disk are lost; nothing could be kept of them but this line.`,
        );
    },
  };
}

async function loadDriver(name: string): Promise<Driver> {
  const entry = driverFor(name);
  if (!entry) throw new SluiceError('NO_DRIVER', `no driver ${name}`);
  return entry.load();
}

/** The smaller of 2 GB and a fifth of the file system. */
function defaultQuota(path: string): number {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { blocks, bsize } = statfsSync(folder);
      return Math.min(defaultMaxBytes, Math.floor(blocks * bsize * defaultShareOfDisk));
    } catch (error) {
      if (folder === dirname(folder)) throw error;
    }
  }
}

/** Until nothing waits that has somewhere to go; the rest lies on disk for the next start. */
async function drained(
  buffer: Lanes,
  forwarders: ReadonlyMap<Stream, Forwarder>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const isUnderWay = ([lane, forwarder]: [Stream, Forwarder]): boolean =>
    forwarder.state().phase === 'connected' && buffer.stats().waiting[lane] > 0;
  try {
    while ([...forwarders].some(isUnderWay)) await clock.sleep(drainLookMs, signal);
  } catch {
    // Out of time.
  }
}
