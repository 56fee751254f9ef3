import type { Stream } from '../../agent/reading.ts';

/**
 * What happens when the quota is reached. `thin`: the oldest sensor values are dropped, then the oldest meter readings, counted and told; `stop`:
 * nothing stored is dropped, new readings are refused.
 */
export type WhenFull = 'thin' | 'stop';

const mostSegmentBytes = 16 * 1024 * 1024;
const reservedShare = 0.02;
/** Of the quota: what is kept for people must not take the place of what is to be sent. Files of a newer version may take more. */
export const quarantineShare = 1 / 4;

/** Size at which a segment is sealed and the next begun: small enough that unlinking one gives room soon, whatever the quota. */
export function segmentBytes(maxBytes: number): number {
  return Math.min(mostSegmentBytes, Math.floor(maxBytes / 16));
}

/** Tables and pages of a segment that holds next to nothing, with its WAL. */
const emptySegmentBytes = 64 * 1024;

/**
 * Part of the quota that only events may use: losses must be told. Two segments' worth at least, by which one commit, the segment it
 * begins and their WALs may overshoot.
 */
export function reservedBytes(maxBytes: number): number {
  return Math.max(maxBytes * reservedShare, 2 * segmentBytes(maxBytes) + emptySegmentBytes);
}

/** A copy of a segment stands beside it until it takes its place. */
function copyRoomBytes(maxBytes: number): number {
  return segmentBytes(maxBytes) + emptySegmentBytes;
}

/** 2 % of the quota, 64 KB to 16 MB. */
export function ballastBytes(maxBytes: number): number {
  return Math.floor(Math.min(16 * 1024 * 1024, Math.max(64 * 1024, maxBytes * 0.02)));
}

/** Under `whenFull: "thin"` room is made from here on: before anything has to be refused, and with room for the copy. */
export function thinFromBytes(maxBytes: number): number {
  return maxBytes - reservedBytes(maxBytes) - copyRoomBytes(maxBytes);
}

/** The most that the buffer may hold for an entry of the stream to be taken. Where thinning cannot keep pace, sensor values are refused first. */
export function takesUpToBytes(stream: Stream, maxBytes: number, whenFull: WhenFull): number {
  if (stream === 'gateway-events') return maxBytes;
  const last = maxBytes - reservedBytes(maxBytes);
  return whenFull === 'thin' && stream === 'sensor-values' ? last - copyRoomBytes(maxBytes) / 2 : last;
}
