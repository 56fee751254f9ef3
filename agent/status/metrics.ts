import type { GatewayStatus } from './facts.ts';
import { exposition } from './exposition.ts';
import type { Family, Labels } from './exposition.ts';
import { ailments } from './health.ts';
import { lagMs, needsPerson } from './lag.ts';
import type { ProcessFacts } from './process-facts.ts';

type Samples = Family['samples'];
const trusts = ['synced', 'unknown', 'unsynced'] as const;
const presences = ['ok', 'lost', 'waiting'] as const;
const qualities = ['good', 'uncertain', 'bad'] as const;

/** Everything as Prometheus text. Base units; labels by lane, connection and device, never by point. */
export function metricsText(status: GatewayStatus, process: ProcessFacts, version: string): string {
  return exposition([
    ...gatewayFamilies(status, version),
    ...connectionFamilies(status),
    ...deviceFamilies(status),
    ...bufferFamilies(status),
    ...laneFamilies(status),
    ...processFamilies(status, process),
  ]);
}

function gatewayFamilies(status: GatewayStatus, version: string): Family[] {
  const { gateway, site, now, events } = status;
  return [
    gauge('sluice_build_info', 'Always 1; what is running.', [[{ version }, 1]]),
    gauge('sluice_gateway_info', 'Always 1; which gateway this is.', [[{ gateway, site: site ?? '' }, 1]]),
    gauge(
      'sluice_healthy',
      '0 when something needs a person now; /healthz says what.',
      alone(flag(ailments(status).length === 0)),
    ),
    gauge(
      'sluice_clock_trust',
      'How far the wall clock is to be believed: 1 at the trust that holds.',
      trusts.map((trust) => [{ trust }, flag(now.trust === trust)]),
    ),
    counter(
      'sluice_events_total',
      'Events told on gateway-events.',
      [...events].map(([event, count]) => [{ event }, count]),
    ),
  ];
}

function connectionFamilies({ connections }: GatewayStatus): Family[] {
  const each = (value: (one: GatewayStatus['connections'][number]) => number): Samples =>
    connections.map((one) => [{ connection: one.connection }, value(one)]);
  return [
    gauge(
      'sluice_connection_up',
      '1 while the connection is open.',
      each(({ state }) => flag(state === 'open')),
    ),
    counter(
      'sluice_connection_opened_total',
      'Sessions opened.',
      each(({ opened }) => opened),
    ),
    counter(
      'sluice_connection_failed_attempts_total',
      'Attempts to open the connection that failed.',
      each(({ failed }) => failed),
    ),
  ];
}

function deviceFamilies({ devices }: GatewayStatus): Family[] {
  type Device = (typeof devices)[number];
  const labelsOf = ({ connection, device }: Device): Labels => ({ connection, device });
  const each = (value: (one: Device) => number | null): Samples => devices.map((one) => [labelsOf(one), value(one)]);
  return [
    gauge(
      'sluice_devices',
      'Devices by presence; waiting: not asked yet.',
      presences.map((presence) => [{ presence }, devices.filter((one) => one.presence === presence).length]),
    ),
    gauge(
      'sluice_device_up',
      '1 while the device answers, 0 while it does not; absent until it was asked.',
      each(({ presence }) => (presence === 'waiting' ? null : flag(presence === 'ok'))),
    ),
    gauge(
      'sluice_device_bad_points',
      'Points whose newest answer was bad.',
      each(({ badPoints }) => badPoints),
    ),
    gauge(
      'sluice_device_last_good_timestamp_seconds',
      'When a poll last gave a value.',
      each(({ lastGood }) => inSeconds(lastGood && lastGood.wallMs)),
    ),
    counter(
      'sluice_device_polls_total',
      'Polls of the device.',
      each(({ polls }) => polls),
    ),
    counter(
      'sluice_device_readings_total',
      'Readings handed to the buffer, by quality.',
      devices.flatMap((one) => qualities.map((quality) => [{ ...labelsOf(one), quality }, one[quality]] as const)),
    ),
    counter(
      'sluice_device_skipped_slots_total',
      'Slots of gauges that were passed over.',
      each(({ skippedSlots }) => skippedSlots),
    ),
  ];
}

function bufferFamilies({ buffer, refusedReadings }: GatewayStatus): Family[] {
  return [
    gauge('sluice_buffer_bytes', 'Size of the buffer on disk.', alone(buffer.bytes)),
    gauge('sluice_buffer_max_bytes', 'Its quota.', alone(buffer.maxBytes)),
    gauge('sluice_buffer_full', '1 while readings are refused for want of room.', alone(flag(buffer.full))),
    gauge(
      'sluice_buffer_volatile',
      '1 while its file system is read-only and readings are kept in memory only.',
      alone(flag(buffer.isVolatile)),
    ),
    gauge('sluice_buffer_segments', 'Segment files.', alone(buffer.segments)),
    counter(
      'sluice_buffer_written_bytes_total',
      'Written to the disk, as the kernel counts; absent where it does not.',
      alone(buffer.writtenBytes),
    ),
    gauge('sluice_buffer_waiting_entries', 'Entries that are not delivered yet.', perLane(buffer.waiting)),
    gauge('sluice_buffer_held_entries', 'Of these: readings that wait until the clock is right.', perLane(buffer.held)),
    counter('sluice_buffer_accepted_entries_total', 'Entries committed to disk.', perLane(buffer.accepted)),
    counter('sluice_buffer_refused_entries_total', 'Entries that were not taken.', alone(buffer.refused)),
    counter(
      'sluice_buffer_dropped_entries_total',
      'Entries dropped to make room for newer ones.',
      perLane(buffer.dropped),
    ),
    counter('sluice_refused_readings_total', 'Readings that were not taken, and are lost.', alone(refusedReadings)),
    counter('sluice_buffer_commits_total', 'Commits.', alone(buffer.commits)),
    counter('sluice_buffer_commit_seconds_total', 'Time that commits took.', alone(buffer.commitsTookMs / 1000)),
    gauge(
      'sluice_buffer_commit_under_way_seconds',
      'How long the commit under way has taken so far; 0: none is.',
      alone(buffer.committingForMs / 1000),
    ),
  ];
}

function laneFamilies(status: GatewayStatus): Family[] {
  type Lane = GatewayStatus['uplink'][string];
  const each = (value: (one: Lane, lane: string) => number | null): Samples =>
    Object.entries(status.uplink).map(([lane, one]) => [{ lane }, value(one, lane)]);
  return [
    gauge(
      'sluice_lane_up',
      '1 while the lane has its connection to the broker.',
      each(({ phase }) => flag(phase === 'connected')),
    ),
    gauge(
      'sluice_lane_needs_person',
      '1 while a missing topic, right or password, or a topic that refuses everything, holds the lane.',
      each((lane) => flag(needsPerson(lane))),
    ),
    gauge(
      'sluice_lane_lag_seconds',
      'Age of the oldest entry that is not delivered; 0: none waits.',
      each((_, lane) => inSeconds(lagMs(status, lane))),
    ),
    gauge(
      'sluice_lane_last_delivery_timestamp_seconds',
      'When the broker last acknowledged a record.',
      each(({ lastDeliveredMs }) => inSeconds(lastDeliveredMs)),
    ),
    counter(
      'sluice_lane_delivered_records_total',
      'Records that the broker acknowledged, repeats among them.',
      each(({ delivered }) => delivered),
    ),
    counter(
      'sluice_lane_repeated_records_total',
      'Acknowledged records that may have been sent before.',
      each(({ repeated }) => repeated),
    ),
    counter(
      'sluice_lane_rejected_records_total',
      'Records put into the dead letters.',
      each(({ rejected }) => rejected),
    ),
  ];
}

/** Under the names that all of Prometheus uses. */
function processFamilies({ startedAt }: GatewayStatus, process: ProcessFacts): Family[] {
  return [
    counter('process_cpu_seconds_total', 'CPU time, user and system.', alone(process.cpuSeconds)),
    gauge('process_resident_memory_bytes', 'Memory in RAM.', alone(process.residentBytes)),
    gauge('process_open_fds', 'Open file descriptors.', [[{}, process.openFds]]),
    gauge('process_start_time_seconds', 'When the gateway started.', alone(startedAt.wallMs / 1000)),
    gauge('sluice_event_loop_delay_seconds', 'Longest delay of the event loop in the last one to two minutes.', [
      [{}, process.worstDelayMs / 1000],
    ]),
  ];
}

function alone(value: number | null): Samples {
  return [[{}, value]];
}

function perLane(counts: Readonly<Record<string, number>>): Samples {
  return Object.entries(counts).map(([lane, count]) => [{ lane }, count]);
}

function flag(on: boolean): number {
  return on ? 1 : 0;
}

function inSeconds(ms: number | null): number | null {
  return ms && ms / 1000;
}

function gauge(name: string, help: string, samples: Samples): Family {
  return { name, type: 'gauge', help, samples };
}

function counter(name: string, help: string, samples: Samples): Family {
  return { name, type: 'counter', help, samples };
}
