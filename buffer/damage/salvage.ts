import { rmSync } from 'node:fs';
import { streams } from '../../agent/reading.ts';
import type { Descriptor } from '../protocol.ts';
import type { Quarantine } from './quarantine.ts';
import type { Settled } from '../ranges.ts';
import { SegmentCopy } from '../segments/segment-copy.ts';
import type { DescriptorRow, Extent, FrameRow } from '../segments/segment-format.ts';
import { fileTails } from '../segments/segment-files.ts';
import { packDescriptors, rowCrc, unpackDescriptors } from '../segments/segment-format.ts';
import type { Shelf } from '../segments/shelf.ts';

/** What one step may copy: a commit that waits goes next. */
const stepBytes = 256 * 1024;

export interface SalvageParts {
  /** Distrusted and examined. */
  readonly shelf: Shelf;
  /** Descriptors, those of its neighbours among them; the later row holds. */
  readonly packed: readonly Uint8Array[];
  readonly settled: readonly Settled[];
  readonly quarantine: Quarantine;
  /** A frame that could be read when the segment was examined cannot be now. */
  readonly lost: (lane: number, frame: Extent) => void;
}

/**
 * Writes what can be read of a damaged segment into a new one in its place; the damaged file goes to the quarantine. In steps, during which it is read as before.
 * Left or thrown out of, all is as it was. Throws what SQLite and the file system throw.
 */
export function* salvage({ shelf, packed, settled, quarantine, lost }: SalvageParts): Generator<undefined, void> {
  const copy = new SegmentCopy(shelf.file, shelf.name, shelf.bytes);
  const summary: (Extent | null)[] = streams.map(() => null);
  let isDone = false;
  try {
    copy.descriptors(descriptorRow(shelf.name, packed));
    let rows: FrameRow[] = [];
    let bytes = 0;
    for (const { lane, ...frame } of inOrder(shelf)) {
      const row = shelf.row(frame.first);
      if (row === null) {
        lost(lane, frame);
        continue;
      }
      const before = summary[lane];
      summary[lane] = { ...frame, first: before?.first ?? frame.first, count: (before?.count ?? 0) + frame.count };
      rows.push(row);
      bytes += row.body.length;
      if (bytes < stepBytes) continue;
      copy.frames(rows);
      rows = [];
      bytes = 0;
      yield undefined;
    }
    copy.frames(rows);
    yield undefined;
    const [slots, removed] = [shelf.slots(), shelf.removed()];
    shelf.park();
    // From here to the end nobody comes between. A start that does finds the WAL in the quarantine.
    quarantine.keep(shelf.file);
    for (const tail of fileTails.slice(1)) rmSync(shelf.file + tail, { force: true });
    copy.finish({ summary, removed, settled, slots });
    isDone = true;
    shelf.salvaged(summary, removed);
    quarantine.trim();
  } finally {
    if (!isDone) copy.abandon();
  }
}

function inOrder(shelf: Shelf): (Extent & { readonly lane: number })[] {
  const frames = streams.flatMap((_, lane) => shelf.framesAfter(lane, 0).map((frame) => ({ ...frame, lane })));
  return frames.toSorted((a, b) => a.first - b.first);
}

function descriptorRow(segment: string, packed: readonly Uint8Array[]): DescriptorRow[] {
  const descriptors = new Map(packed.flatMap(unpackedOrNone).map((one) => [one.id, one]));
  if (descriptors.size === 0) return [];
  const body = packDescriptors([...descriptors.values()]);
  return [{ n: 1, body, crc: rowCrc(segment, 'descriptors', [body]) }];
}

/** What a reader cannot unpack either is told when it comes to a frame that needs it. */
function unpackedOrNone(packed: Uint8Array): Descriptor[] {
  try {
    return unpackDescriptors(packed);
  } catch {
    return [];
  }
}
