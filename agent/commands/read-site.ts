import { driverFor } from '../../drivers/registry.ts';
import type { DriverHost, Home, LineOwner, PollJob, Session } from '../../drivers/driver.ts';
import type { ConnectionConfig, DeviceConfig } from '../config/site-config.ts';
import { messageOf } from '../errors.ts';
import { unanswered } from '../reading.ts';
import type { Observation, PointInfo } from '../reading.ts';
import type { SystemClock } from '../time/system-clock.ts';

/** One device may take its timeouts and retries; none may hold up a person for longer. */
const deviceDeadlineMs = 30_000;
const openDeadlineMs = 10_000;

export interface SeenPoint extends PointPlace {
  readonly observation: Observation;
}

export interface PointPlace {
  readonly point: PointInfo;
  readonly where: string;
  /** Whether `run` sends its raw words. */
  readonly keepsRaw: boolean;
  /** How long an answer is waited for; null: the driver does not say. */
  readonly timeoutMs: number | null;
}

export interface SeenDevice {
  readonly connection: string;
  readonly device: string;
  readonly tookMs: number;
  /** Why nobody could ask it; null: it was asked. */
  readonly linkDown: string | null;
  readonly points: readonly SeenPoint[];
}

/** Where the points of a device are found. */
export function placesOf(connection: ConnectionConfig, device: DeviceConfig): PointPlace[] {
  const schema = driverFor(connection.driver)?.schema;
  return device.points.map(({ info }) => {
    const { where = '', keepsRaw = true, timeoutMs = null } = schema?.describe?.(connection.plan, info) ?? {};
    return { point: info, where, keepsRaw, timeoutMs };
  });
}

/**
 * Asks each of the devices once, one after the other. A link that is lost is opened again for the next device, since one device may be the
 * reason; one that cannot be opened is not tried again. `owner`: whoever may have the line open already. `home`: where keys and certificates are kept.
 */
export async function* readConnection(
  connection: ConnectionConfig,
  devices: readonly DeviceConfig[],
  clock: SystemClock,
  signal: AbortSignal,
  owner?: LineOwner,
  home?: Home,
): AsyncGenerator<SeenDevice> {
  const entry = driverFor(connection.driver);
  if (devices.length === 0 || !entry) return;
  const driver = await entry.load();
  const host: DriverHost = {
    clock,
    everyRaw: true,
    push: () => Promise.resolve(),
    event: () => undefined,
    ...(owner && { owner }),
    ...(home && { home }),
  };
  const link = reopened(
    (given) => driver.open(connection.plan, host, AbortSignal.any([given, AbortSignal.timeout(openDeadlineMs)])),
    signal,
  );
  try {
    for (const device of devices) {
      const began = clock.now().bootMs;
      const places = placesOf(connection, device);
      const told = await link.ask({ device: device.id, points: places.map(({ point }) => point), dueMs: began });
      const [seen, linkDown] = typeof told === 'string' ? [[], told] : [told, null];
      const points = places.map((place, at) => ({
        ...place,
        observation: seen[at] ?? unanswered(place.point, 'BadNotConnected', clock.now()),
      }));
      const tookMs = Math.round(clock.now().bootMs - began);
      yield { connection: connection.id, device: device.id, tookMs, linkDown, points };
    }
  } finally {
    await link.close();
  }
}

interface Reopened {
  /** A text: why nobody could be asked. */
  ask(job: PollJob): Promise<readonly Observation[] | string>;
  close(): Promise<void>;
}

/** A link that is opened when it is needed: again where it was lost, not again where it cannot be opened. */
function reopened(open: (signal: AbortSignal) => Promise<Session>, signal: AbortSignal): Reopened {
  let session: Session | null = null;
  let down: string | null = null;

  async function drop(): Promise<void> {
    const dropped = session;
    session = null;
    await dropped?.close();
  }

  return {
    async ask(job) {
      for (;;) {
        const isFresh = session === null;
        if (down !== null) return down;
        try {
          session ??= await open(signal);
        } catch (error) {
          down = messageOf(error);
          return down;
        }
        try {
          return await session.poll(job, AbortSignal.any([signal, AbortSignal.timeout(deviceDeadlineMs)]));
        } catch (error) {
          await drop();
          // A link that was open already may have been lost with the device before: that says nothing of this one.
          if (isFresh) return messageOf(error);
        }
      }
    },
    close: drop,
  };
}
