import { join } from 'node:path';
import type { BufferLimits } from '../buffer/buffer.ts';
import { openBuffer } from '../buffer/open.ts';
import type { WriterHost, WriterPulse } from '../buffer/thread.ts';
import type { DriverHost } from '../drivers/driver.ts';
import { aborted } from './aborted.ts';
import { Announcer } from './assets/announcer.ts';
import { SaidUnits } from './assets/said-units.ts';
import { contentHash } from './config/canonical.ts';
import { homeOf } from './config/site-config.ts';
import type { SiteConfig } from './config/site-config.ts';
import { defaultQuota } from './default-quota.ts';
import { Connections } from './connections.ts';
import type { Changes } from './connections.ts';
import { ConfigError, messageOf } from './errors.ts';
import { Events } from './events.ts';
import { ForwardedLanes } from './lanes.ts';
import type { Prepared } from './lanes.ts';
import type { Log } from './log/log.ts';
import { Losses } from './losses.ts';
import type { GatewayEvent, Reading, Seq, Stream } from './reading.ts';
import { openState } from './state.ts';
import type { GatewayStatus, RefusedConfig } from './status/facts.ts';
import { machineHash } from './status/machine.ts';
import { StatusPublisher } from './status/publisher.ts';
import { statusRecord } from './status/record.ts';
import type { Identity } from './status/record.ts';
import type { SystemClock } from './time/system-clock.ts';
import { timeSource } from './time/time-sources.ts';
import type { UplinkFactory } from './uplink/uplink.ts';
import { version } from './version.ts';

export interface GatewayParts {
  readonly clock: SystemClock;
  readonly log: Log;
  /** Every accepted sequence number, when its commit has returned. */
  readonly tap?: (epoch: string, stream: Stream, seqs: readonly Seq[]) => void;
  /** The writer thread, begun while the configuration was read. */
  readonly writer?: WriterHost;
}

export interface Gateway {
  status(): GatewayStatus;
  /** For those who borrow its lines, see `Connections.lineOf`. */
  readonly lines: Pick<Connections, 'lineOf'>;
  /** How the thread that owns the disk is. */
  writer(): WriterPulse;
  /** Something without which the daemon is worthless died. Never rejects. */
  readonly failed: Promise<Error>;
  /**
   * Goes on under another configuration: closes and opens exactly the connections whose plan changed, renews uplink and clock beside them. Rejects
   * with ConfigError, and has changed nothing, where that needs a restart or the uplink cannot be used. Any other error came half-way: it is told, and
   * ends the daemon (`failed`). One call at a time.
   */
  reload(config: SiteConfig): Promise<void>;
  /** The file as it is now cannot be used; the gateway goes on as it was. */
  refused(reason: string, problems: number): void;
  /** Stops polling, sends what it can in `drainMs`, seals the buffer. `signal` cuts it short. */
  stop(drainMs: number, signal: AbortSignal): Promise<void>;
}

const ending = {
  none: ', its buffer is new',
  clean: '',
  unclean: '; the start before it did not end in order, what was not noted as delivered is sent again',
} as const;
/** A large site takes a tenth of a second to describe: the first polls do not wait for it. */
const announceAfterMs = 1_000;
/** For the answer to what is being sent when the drain is over, or when the uplink is renewed. */
const answerMs = 500;
const renewAnswerMs = 2_000;
/** For connections to open before anything else is begun; the silent ones are not waited for any longer. */
const metersFirstMs = 200;

/** Builds everything from the configuration, in the order in which it depends on each other, and takes it down in the reverse. */
export async function startGateway(first: SiteConfig, parts: GatewayParts): Promise<Gateway> {
  const { clock, log } = parts;
  const startedAt = clock.now();
  let config = first;
  const broken = Promise.withResolvers<Error>();
  let refusedConfig: RefusedConfig | null = null;
  const events = new Events(config.gateway, config.site?.id ?? null, parts);
  const tell = events.tell.bind(events);
  const buffer = await openBuffer({
    path: config.buffer.path,
    ...limitsOf(config),
    clock,
    event: tell,
    log: (message) => log.warning(message),
    ...(parts.tap ? { tap: parts.tap } : {}),
    ...(parts.writer ? { writer: parts.writer } : {}),
  });
  events.open(buffer);
  clock.notBefore(buffer.newestTrustedMs);
  const devices = config.connections.flatMap((one) => one.devices).length;
  tell({
    event: 'start',
    severity: 'info',
    message: `Gateway ${config.gateway} started, ${devices} ${devices === 1 ? 'device' : 'devices'}${ending[buffer.before]}.`,
    facts: { epoch: buffer.epoch, before: buffer.before },
  });
  const stopWatching = clock.onStep(({ fromMs, toMs, stepMs }) =>
    tell({
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
  const units = new SaidUnits();
  let announceAgain: (() => void) | null = null;
  const host: Omit<DriverHost, 'push'> = {
    clock,
    home: homeOf(first),
    log: (message) => log.warning(message),
    described: (said) => {
      if (units.take(said)) announceAgain?.();
    },
    event: tell,
  };
  const lanes = new ForwardedLanes({ buffer, clock, log, event: tell });
  const connections = new Connections({
    host,
    clock,
    log: (severity, message) => log[severity](message),
    // The poller does not wait for the disk; what is refused is counted.
    sink: accept,
    event: tell,
    kept: buffer,
  });
  /** Connections and devices as they were: at the end there are none. */
  let atStop: ReturnType<typeof connections.state> | null = null;
  const publisher = new StatusPublisher({
    record: (state) => statusRecord(status(), (identity ??= identityOf(config)), state),
    clock,
    log: (severity, message) => log[severity](message),
  });
  /** Made when it is first said: a hash over all that is configured must not keep the first poll waiting. */
  let identity: Identity | null = null;
  try {
    buffer.forgetOthers(devicesOf(config));
    await connections.apply(config.connections);
    // Meters first: while the uplink's library is loaded nothing else goes on, for longer than their first answers take.
    await connections.opened(AbortSignal.timeout(metersFirstMs));
    const uplink = await lanes.prepare(config.uplink);
    if (uplink) await lanes.renew(uplink, AbortSignal.timeout(renewAnswerMs));
    if (uplink) await publisher.renew(keepsNewest(config, uplink.uplinks), AbortSignal.timeout(renewAnswerMs));
  } catch (error) {
    await connections.stop();
    stopWatching();
    await buffer.close(AbortSignal.timeout(renewAnswerMs));
    throw error;
  }
  const announcer = new Announcer({
    openState: () =>
      openState(join(first.stateDir, 'state.db'), { event: tell, log: (message) => log.warning(message) }),
    restMs: announceAfterMs,
    unitOf: (device, point) => units.of(device, point),
    buffer,
    clock,
    log,
  });
  announceAgain = () => void announcer.announce(config);
  announceAgain();

  async function reload(next: SiteConfig): Promise<void> {
    const needsRestart = keptForLife(config, next);
    if (needsRestart !== null) throw new ConfigError(`${needsRestart}: that needs a restart`);
    const uplink = await lanes.prepare(next.uplink).catch((error: unknown) => {
      throw new ConfigError(`the uplink cannot be used: ${messageOf(error)}`, { cause: error });
    });
    try {
      await takeUp(next, uplink);
    } catch (error) {
      // Half-way there is no going back: a restart begins from the file.
      const reason = messageOf(error);
      tell({
        event: 'config-refused',
        severity: 'error',
        message: `The changed configuration was taken up only in part: ${reason}. The daemon ends now; its next start takes up ${next.file} as a whole`,
        facts: { problems: 1, reason },
      });
      broken.resolve(error instanceof Error ? error : new Error(reason));
      throw error;
    }
  }

  async function takeUp(next: SiteConfig, uplink: Prepared | null): Promise<void> {
    const isClockNew = next.clock.source !== config.clock.source;
    events.renew(next.site?.id ?? null);
    buffer.adjust(limitsOf(next));
    config = next;
    identity = null;
    const changes = await connections.apply(next.connections);
    buffer.forgetOthers(devicesOf(next));
    if (uplink) {
      const answer = AbortSignal.timeout(renewAnswerMs);
      await Promise.all([lanes.renew(uplink, answer), publisher.renew(keepsNewest(next, uplink.uplinks), answer)]);
    }
    void announcer.announce(next);
    if (isClockNew) await clock.ask(timeSource(next.clock.source));
    refusedConfig = null;
    tell(configChanged(changes, uplink !== null));
  }

  function refused(reason: string, problems: number): void {
    refusedConfig = { atMs: clock.now().wallMs, reason };
    tell({
      event: 'config-refused',
      severity: 'error',
      message: `The changed configuration is refused, the gateway goes on as it was: ${reason}. Until ${config.file} is right, a restart fails. Look at it with: sluice check ${config.file}`,
      facts: { problems, reason },
    });
  }

  function status(): GatewayStatus {
    return {
      gateway: config.gateway,
      site: config.site?.id ?? null,
      epoch: buffer.epoch,
      startedAt,
      now: clock.now(),
      isStopping: atStop !== null,
      ...(atStop ?? connections.state()),
      buffer: buffer.stats(),
      uplink: { ...lanes.state(), ...publisher.state() },
      refusedReadings: losses.count,
      events: events.counts(),
      refusedConfig,
    };
  }

  return {
    failed: Promise.race([buffer.failed, broken.promise]),
    writer: () => buffer.pulse(),
    lines: connections,
    reload,
    refused,
    status,
    async stop(drainMs, signal) {
      atStop ??= connections.state();
      const drain = AbortSignal.any([signal, AbortSignal.timeout(drainMs)]);
      await connections.stop();
      stopWatching();
      // From here on nothing waits for company: a long commitEvery would outlast the stop.
      buffer.adjust({ ...limitsOf(config), commitEveryMs: 0 });
      // What it was saying is committed with the rest, at the latest when the buffer closes.
      const announced = announcer.stop(signal);
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
      await lanes.drained(drain);
      const answer = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
      await Promise.all([lanes.stop(answer), publisher.stop(answer)]);
      await buffer.close(signal);
      await announced;
      const untold = losses.untold();
      if (untold > 0)
        log.error(
          `${untold} readings that waited in memory for the disk are lost; nothing could be kept of them but this line.`,
        );
    },
  };
}

function identityOf({ gateway, file: _file, ...said }: SiteConfig): Identity {
  return { machine: machineHash(gateway), version: version(), config: contentHash({ gateway, ...said }) };
}

/** All that the file names, those that are switched off too. */
function devicesOf({ connections, switchedOff }: SiteConfig): ReadonlySet<string> {
  return new Set([...connections.flatMap(({ devices }) => devices.map(({ id }) => id)), ...switchedOff]);
}

/** A file keeps every line: the newest state would become a history of states. */
function keepsNewest({ uplink }: SiteConfig, uplinks: UplinkFactory): UplinkFactory | null {
  return 'kafka' in uplink ? uplinks : null;
}

/** What a running gateway cannot change about itself: every such key that changed, with both values. */
function keptForLife(now: SiteConfig, next: SiteConfig): string | null {
  const kept = [
    ['gateway', now.gateway, next.gateway],
    ['stateDir', now.stateDir, next.stateDir],
    ['buffer.path', now.buffer.path, next.buffer.path],
  ] as const;
  const changed = kept
    .filter(([, before, after]) => before !== after)
    .map(([key, before, after]) => `${key} changed from ${JSON.stringify(before)} to ${JSON.stringify(after)}`);
  return changed.length === 0 ? null : changed.join(', ');
}

function configChanged({ opened, closed, rescheduled }: Changes, isUplinkNew: boolean): GatewayEvent {
  const done = [
    ...listed(
      'closed',
      closed.filter((id) => !opened.includes(id)),
    ),
    ...listed(
      'opened',
      opened.filter((id) => !closed.includes(id)),
    ),
    ...listed(
      'opened again',
      opened.filter((id) => closed.includes(id)),
    ),
    ...listed('other rules for', rescheduled),
    ...(isUplinkNew ? ['uplink renewed'] : []),
  ];
  return {
    event: 'config-changed',
    severity: 'info',
    message: `The configuration was loaded anew: ${done.length === 0 ? 'connections and uplink stay as they are' : done.join('; ')}.`,
    facts: {
      opened: opened.join(', '),
      closed: closed.join(', '),
      rescheduled: rescheduled.join(', '),
      uplink: isUplinkNew,
    },
  };
}

const listed = (what: string, ids: readonly string[]): string[] =>
  ids.length === 0 ? [] : [`${what} ${ids.join(', ')}`];

function limitsOf({ buffer, clock }: SiteConfig): BufferLimits {
  const { commitEveryMs, whenFull } = buffer;
  const maxBytes = buffer.maxBytes ?? defaultQuota(buffer.path);
  return { maxBytes, commitEveryMs, whenFull, holdMs: clock.holdMs };
}
