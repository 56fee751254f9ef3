import { defaultQuota } from '../default-quota.ts';
import type { LinkDemand, LinkLoad } from '../../drivers/driver.ts';
import { durationText } from '../config/grammar.ts';
import { MONTH_MS } from '../schedule/wall-slots.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { bytesText, counted, tableText } from './printing.ts';

/** What a configuration will do, for `sluice check`. */
export interface Summary {
  readonly gateway: string;
  readonly connections: number;
  readonly devices: number;
  readonly points: number;
  /** Requests on all lines when every point is due at once; null: the drivers do not say. */
  readonly requestsPerCycle: number | null;
  /** On average; below one to four decimals, so that what is read once a month is not nothing. */
  readonly readingsPerHour: number;
  readonly perConnection: readonly ConnectionSummary[];
  /** isDefault: `buffer.maxSize` is not stated, so that maxBytes follows from the file system of this machine. */
  readonly buffer: { readonly path: string; readonly maxBytes: number; readonly isDefault: boolean };
  readonly uplink:
    | {
        readonly brokers: readonly string[];
        readonly tls: boolean;
        readonly sasl: string | null;
        readonly topics: Readonly<Record<string, string>>;
      }
    | { readonly file: string };
}

interface ConnectionSummary {
  readonly connection: string;
  readonly driver: string;
  readonly devices: number;
  readonly points: number;
  readonly requestsPerCycle: number | null;
  readonly load: LinkLoad | null;
  /** Of a server that sends values by itself; null: the connection has none. */
  readonly demand: LinkDemand | null;
}

export function summaryOf(config: SiteConfig): Summary {
  const { gateway, connections, buffer, uplink } = config;
  const points = connections.flatMap(({ devices }) => devices.flatMap((device) => device.points));
  return {
    gateway,
    connections: connections.length,
    devices: connections.reduce((sum, { devices }) => sum + devices.length, 0),
    points: points.length,
    requestsPerCycle: connections.reduce<number | null>(
      (sum, { requestsPerCycle }) => (sum === null || requestsPerCycle === null ? null : sum + requestsPerCycle),
      0,
    ),
    readingsPerHour: rounded(points.reduce((sum, { everyMs }) => sum + 3_600_000 / everyMs, 0)),
    perConnection: connections.map(({ id, driver, devices, requestsPerCycle, load, demand }) => ({
      connection: id,
      driver,
      devices: devices.length,
      points: devices.reduce((sum, device) => sum + device.points.length, 0),
      requestsPerCycle,
      load,
      demand,
    })),
    buffer: {
      path: buffer.path,
      maxBytes: buffer.maxBytes ?? defaultQuota(buffer.path),
      isDefault: buffer.maxBytes === null,
    },
    uplink:
      'file' in uplink
        ? { file: uplink.file.path }
        : {
            brokers: uplink.kafka.brokers,
            tls: uplink.kafka.tls !== null,
            sasl: uplink.kafka.sasl?.mechanism ?? null,
            topics: uplink.kafka.topics,
          },
  };
}

/** `1 connection, 3 devices, 24 points, 5 requests per cycle, 360 readings per hour` */
export function totals({ connections, devices, points, requestsPerCycle, readingsPerHour }: Summary): string {
  return [
    counted(connections, 'connection'),
    ...amounts(devices, points, requestsPerCycle),
    paceOf(readingsPerHour),
  ].join(', ');
}

const rounded = (perHour: number): number => (perHour < 1 ? Number(perHour.toFixed(4)) : Math.round(perHour));

/** In the shortest time that holds at least one. */
function paceOf(perHour: number): string {
  const spans = [
    ['hour', 1],
    ['day', 24],
    ['month', 720],
  ] as const;
  const [span, hours] = spans.find(([, each]) => Math.round(perHour * each) >= 1) ?? spans[0];
  return `${counted(Math.round(perHour * hours), 'reading')} per ${span}`;
}

/** A line for each connection, the buffer and the uplink. */
export function summaryLines({ perConnection, buffer, uplink }: Summary): string[] {
  const why = buffer.isDefault ? ' (the smaller of 2 GB and a fifth of its file system)' : '';
  const rows = [
    ...perConnection.map(({ connection, driver, devices, points, requestsPerCycle, load, demand }) => [
      'connection',
      `${connection}: ${[driver, ...amounts(devices, points, requestsPerCycle), ...loadParts(load), ...demandParts(demand)].join(', ')}`,
    ]),
    ['buffer', `${buffer.path}, at most ${bytesText(buffer.maxBytes)}${why}`],
    ...uplinkRows(uplink),
  ];
  return tableText([], rows).trimEnd().split('\n');
}

function amounts(devices: number, points: number, requestsPerCycle: number | null): string[] {
  const requests = requestsPerCycle === null ? [] : [`${counted(requestsPerCycle, 'request')} per cycle`];
  return [counted(devices, 'device'), counted(points, 'point'), ...requests];
}

/** Of a line that is known: `43 % full (3.4 s when all is due at once; 2 s more for each device that does not answer)` */
function loadParts(load: LinkLoad | null): string[] {
  if (load === null || load.share === null || load.cycleMs === null) return [];
  const share = load.share < 0.01 ? 'under 1 %' : `${Math.ceil(load.share * 100)} %`;
  const cycle = `${secondsText(load.cycleMs)} when all is due at once`;
  return [`${share} full (${cycle}; ${secondsText(load.silenceMs)} more for a device that does not answer)`];
}

/** `subscribed every 1s 3 points, polled every 15m 1 point, at most 1.2 requests per second` */
function demandParts(demand: LinkDemand | null): string[] {
  if (demand === null) return [];
  const parts = [
    ...demand.subscriptions.map(({ publishingMs, points }) => ['subscribed', publishingMs, points] as const),
    ...demand.polled.map(({ everyMs, points }) => ['polled', everyMs, points] as const),
  ].map(([how, ms, points]) => `${counted(points, 'point')} ${how} every ${everyText(ms)}`);
  return [...parts, `at most ${Number(demand.requestsPerSecond.toPrecision(2))} requests per second`];
}

const everyText = (ms: number): string => (ms === MONTH_MS ? '1mo' : durationText(ms));
const secondsText = (ms: number): string => `${Number((ms / 1000).toPrecision(2))} s`;

function uplinkRows(uplink: Summary['uplink']): string[][] {
  if ('file' in uplink) return [['uplink', `file ${uplink.file}`]];
  const { brokers, tls, sasl, topics } = uplink;
  const named = Object.entries(topics).map(([stream, topic]) => (stream === topic ? topic : `${topic} (${stream})`));
  return [
    ['uplink', `Kafka ${brokers.join(', ')}, ${tls ? 'TLS' : 'no TLS'}, ${sasl ?? 'no SASL'}`],
    ['topics', named.join(', ')],
  ];
}
