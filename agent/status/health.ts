import type { GatewayStatus } from './facts.ts';
import { lagMs, needsPerson } from './lag.ts';

/** A commit takes milliseconds, on a poor card seconds. */
const slowCommitMs = 10_000;
/** A broker that is away for less is no news. */
const longAwayMs = 60_000;
/** Names in one sentence; the rest is counted. */
const mostNames = 5;

/** What a person must look at now, a sentence each; empty: nothing. Readings are being lost, or will be. */
export function ailments(status: GatewayStatus): string[] {
  const { buffer, uplink } = status;
  const found: string[] = [];
  if (buffer.full)
    found.push(
      `the buffer is full (${buffer.bytes} of ${buffer.maxBytes} bytes${inQuarantine(buffer)}): readings are refused`,
    );
  if (buffer.isVolatile)
    found.push("the buffer's file system is read-only: readings are kept in memory only; look at the disk (dmesg)");
  else if (buffer.committingForMs > slowCommitMs)
    found.push(`the disk has taken nothing for ${seconds(buffer.committingForMs)}: readings wait in memory`);
  for (const [lane, state] of Object.entries(uplink)) {
    if (isUnbuffered(lane)) continue;
    const { phase, lastError } = state;
    if (phase === 'stalled') found.push(`${lane}: the topic refuses everything (${lastError?.code ?? 'unknown'})`);
    else if (needsPerson(state)) found.push(`${lane}: ${lastError?.message ?? ''}`);
  }
  return found;
}

/** What is not as it should be and harms no reading that was taken: the site's matters, and what is over. A sentence each. */
export function remarks(status: GatewayStatus): string[] {
  const { buffer, connections, devices, uplink, refusedReadings, refusedConfig, now } = status;
  const found: string[] = [];
  if (refusedConfig)
    found.push(
      `the changed configuration was refused at ${new Date(refusedConfig.atMs).toISOString()} (${refusedConfig.reason}): a restart may fail`,
    );
  const closed = connections.filter(({ state }) => state !== 'open');
  const lost = devices.filter(({ presence }) => presence === 'lost');
  const partly = devices.filter(({ presence, badPoints }) => presence !== 'lost' && badPoints > 0);
  if (closed.length > 0) found.push(`not open: ${names(closed.map(({ connection }) => connection))}`);
  for (const { connection, remarks: told } of connections) found.push(...told.map((one) => `${connection}: ${one}`));
  if (lost.length > 0)
    found.push(`${lost.length} of ${devices.length} devices do not answer: ${names(lost.map(({ device }) => device))}`);
  if (partly.length > 0) found.push(`bad points on ${names(partly.map(({ device }) => device))}`);
  const held = heldOf(buffer);
  if (held > 0)
    found.push(
      `the clock is known to be wrong: ${held} readings wait until it is right (clock.hold); look at the time service`,
    );
  else if (now.trust === 'unsynced') found.push('the clock is known to be wrong; look at the time service');
  if (refusedReadings > 0) found.push(`${refusedReadings} readings were refused by the buffer since the start`);
  if (buffer.fill !== 'low')
    found.push(
      `the buffer fills up (${buffer.bytes} of ${buffer.maxBytes} bytes): ${buffer.fill === 'urgent' ? 'soon ' : ''}${buffer.whenFull === 'thin' ? 'the oldest readings will be dropped' : 'new readings will be refused'} unless it is delivered`,
    );
  const dropped = Object.values(buffer.dropped).reduce((sum, one) => sum + one, 0);
  if (dropped > 0) found.push(`${dropped} readings were dropped by the full buffer since the start`);
  for (const [lane, state] of Object.entries(uplink)) {
    if (isUnbuffered(lane) && needsPerson(state)) found.push(`${lane}: ${state.lastError?.message ?? ''}`);
    const away = now.wallMs - state.sinceMs;
    const lag = lagMs(status, lane);
    if (!needsPerson(state) && state.lastError && Math.max(away, lag ?? 0) > longAwayMs)
      found.push(`${lane} has not been delivered for ${seconds(Math.max(away, lag ?? 0))}: ${state.lastError.message}`);
    if (state.rejected > 0) found.push(`${lane}: ${state.rejected} records lie in the dead letters`);
  }
  return found;
}

/** Readings that wait until the clock is right. */
export function heldOf({ held }: GatewayStatus['buffer']): number {
  return Object.values(held).reduce((sum, one) => sum + one, 0);
}

/** What the start still waits for; empty: the gateway is ready. Not ready either while it stops. The buffer is open and pollers run before anybody can ask. */
export function awaited({ isStopping, connections }: GatewayStatus): string[] {
  if (isStopping) return ['nothing: it is stopping'];
  return connections
    .filter(({ opened, failed }) => opened + failed === 0)
    .map(({ connection }) => `the first attempt of connection ${connection}`);
}

/** No reading waits there: its trouble is nobody's loss. */
function isUnbuffered(lane: string): boolean {
  return lane === 'gateway-status';
}

function names(all: readonly string[]): string {
  const more = all.length - mostNames;
  return `${all.slice(0, mostNames).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

/** Where the uplink alone does not make room: more than the quarter of the quota that is meant for it. */
function inQuarantine({ quarantineBytes, maxBytes }: GatewayStatus['buffer']): string {
  return quarantineBytes * 4 > maxBytes ? `, ${quarantineBytes} of them in its folder quarantine` : '';
}
