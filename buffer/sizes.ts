const mostSegmentBytes = 16 * 1024 * 1024;
const reservedShare = 0.02;

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
