import { join } from 'node:path';
import type { WhenFull } from './sizes.ts';
import { quarantineShare } from './sizes.ts';

/** `low`: below 70 % of the quota; `high`; `urgent`: from 90 % on. */
export type Fill = 'low' | 'high' | 'urgent';

const highShare = 0.7;
const urgentShare = 0.9;
/** A level is left so much below where it was entered, or one segment more or less would tell it again and again. */
const backShare = 0.05;

/** The level now, after it was `before`. `bytes`: on disk; `mostBytes`: where the policy begins to act. */
export function fillOf(before: Fill, bytes: number, mostBytes: number): Fill {
  const share = bytes / mostBytes;
  const isAbove = (level: number, isIn: boolean): boolean => share >= level - (isIn ? backShare : 0);
  if (isAbove(urgentShare, before === 'urgent')) return 'urgent';
  return isAbove(highShare, before !== 'low') ? 'high' : 'low';
}

/** What people read in the log and the event when this share of the quota is reached, with what to do. */
export function fillText(fill: Fill, bytes: number, mostBytes: number, whenFull: WhenFull): string {
  const share = `${Math.round((bytes / mostBytes) * 100)} % of what readings may take of its quota`;
  if (fill === 'low') return `it holds only ${share} again`;
  const act = whenFull === 'thin' ? 'the oldest readings are dropped' : 'new readings are refused';
  return `it holds ${share}; at 100 % ${act}. Restore the uplink, or raise buffer.maxSize`;
}

/** What a text about the quota adds where the files kept for people take more than their share of it; '' where they do not. */
export function keptText(folder: string, quarantineBytes: number, maxBytes: number): string {
  if (quarantineBytes <= maxBytes * quarantineShare) return '';
  return `; ${quarantineBytes} bytes of it are files in ${join(folder, 'quarantine')} that only a person removes (a newer sluice wrote them, or one of them is that large): move them elsewhere`;
}
