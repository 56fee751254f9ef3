import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { GatewayEvent, Seq } from '../../agent/reading.ts';
import { syncFolder } from '../folder.ts';
import { copyDurably } from '../segments/stable-copy.ts';
import { lookAtWal, walText } from './wal-look.ts';
import type { WalFindings } from './wal.ts';

/** A segment whose WAL SQLite will not play back whole, as it was before SQLite saw it. */
export interface WalDamage {
  readonly wal: WalFindings;
  /** Folder of a copy of the segment and its WAL; null: none was made (there was no room, or nothing is sure). */
  readonly copy: string | null;
  /** When the file was made and its WAL last written to, by the file system. Unix ms. */
  readonly begunMs: number;
  readonly endedMs: number;
}

/**
 * Looks at a segment of an earlier start before anybody opens it, and keeps a copy of a damaged one in `folder`: SQLite drops what it cannot
 * play back, and the file with it. null: all is sound, or it cannot be read now, which SQLite will say.
 */
export function examineBefore(file: string, folder: string): WalDamage | null {
  try {
    const wal = lookAtWal(file);
    if (wal.verdict === 'sound') return null;
    const { birthtimeMs, mtimeMs } = statSync(file);
    const endedMs = statSync(`${file}-wal`, { throwIfNoEntry: false })?.mtimeMs ?? mtimeMs;
    return { wal, copy: wal.verdict === 'damaged' ? keepCopy(file, folder) : null, begunMs: birthtimeMs, endedMs };
  } catch {
    return null;
  }
}

/** `firstSeq`: behind the last entry that can be read, accepted at `readMs` (null: none can); `lastSeq`: where the next segment tells it. */
export function walEvents(
  { wal, copy, begunMs, endedMs }: WalDamage,
  segment: { readonly name: string; readonly epoch: string },
  {
    firstSeq,
    lastSeq,
    readMs,
  }: { readonly firstSeq: Seq; readonly lastSeq: Seq | null; readonly readMs: number | null },
): GatewayEvent[] {
  const isDamaged = wal.verdict === 'damaged';
  const notBefore = new Date(readMs ?? begunMs).toISOString();
  const notAfter = new Date(endedMs).toISOString();
  const seqs = `seq ${firstSeq} ${lastSeq === null ? 'and above' : `to ${lastSeq}`}`;
  const kept: GatewayEvent = {
    event: 'quarantine',
    severity: 'error',
    message: `Buffer segment ${segment.name} has a damaged WAL. A copy of both as they were lies in ${copy ?? ''}. Keep it: its readings may be recoverable.`,
    facts: { segment: segment.name, firstSeq, lastSeq },
  };
  const told: GatewayEvent = {
    event: 'possible-loss',
    severity: isDamaged ? 'error' : 'warning',
    message: `Buffer segment ${segment.name}: ${walText(wal)}. They bear ${seqs} of epoch ${segment.epoch} and were accepted between ${notBefore} and ${notAfter}; some may have been delivered. Of what came before some may be sent again as a repeat, and slots of that time may be answered twice.${isDamaged && copy === null ? ' No copy could be kept.' : ''}`,
    facts: {
      segment: segment.name,
      epoch: segment.epoch,
      firstSeq,
      lastSeq,
      readableWalFrames: wal.readable,
      unreadableWalFrames: wal.unreadable,
      notBefore,
      notAfter,
    },
  };
  return isDamaged && copy !== null ? [kept, told] : [told];
}

/** One that an earlier start made is not made again. null: there is no room. */
function keepCopy(file: string, folder: string): string | null {
  const copy = join(folder, basename(file));
  if (existsSync(copy)) return folder;
  try {
    mkdirSync(folder, { recursive: true });
    syncFolder(dirname(folder));
    if (existsSync(`${file}-wal`)) copyDurably(`${file}-wal`, `${copy}-wal`);
    // Under its name only when all is there.
    copyDurably(file, `${copy}.part`);
    renameSync(`${copy}.part`, copy);
    syncFolder(folder);
    return folder;
  } catch {
    removeParts(copy);
    return null;
  }
}

function removeParts(copy: string): void {
  try {
    for (const tail of ['.part', '-wal']) rmSync(copy + tail, { force: true });
  } catch {
    // Where nothing can be made there is nothing to remove.
  }
}
