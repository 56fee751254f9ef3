/**
 * What a WAL says of itself, by SQLite's documented file format (sqlite.org/fileformat2.html, "The Write-Ahead Log"; walformat.html for the index).
 * SQLite plays a WAL back up to the last commit before the first broken checksum and drops the rest without a word.
 */
export interface WalFindings {
  /**
   * `damaged`: commits that had returned cannot be played back. `unsure`: the very last commit cannot, or the WAL is not there: torn by a power cut
   * (a stop cut short), so that nothing accepted is missing, or damaged later; nothing tells which.
   */
  readonly verdict: 'sound' | 'unsure' | 'damaged';
  /** Frames that SQLite plays back. */
  readonly readable: number;
  /** Frames behind them that can still be told to have been there; where the header is lost, and the index too, at most. */
  readonly unreadable: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
const usualPageBytes = 4096;
const versions = 3_007_000;
/** Bytes of the file's header that say how it is written and read: 1 is a rollback journal, 2 a WAL. */
const journalModes = [18, 19];

interface Header {
  readonly pageBytes: number;
  readonly isBigEndian: boolean;
  readonly salts: Uint8Array;
  readonly sum: Sum;
}

type Sum = readonly [number, number];

interface Index {
  readonly salts: Uint8Array;
  readonly frames: number;
  /** Of these, what a checkpoint has brought into the file. */
  readonly inFile: number;
}

interface Frame {
  /** The salts are those of the header; frames of an earlier round of the WAL have others. */
  readonly isOwn: boolean;
  /** Follows the checksum of the frame before. */
  readonly follows: boolean;
  readonly isCommit: boolean;
}

/**
 * `wal`: the whole file, null if there is none beside a file in WAL mode. `shm`: the beginning of its index, which a kill leaves behind and a power cut
 * may have left old; it tells how many frames were committed. Empty if there is none. Read it before the WAL.
 */
export function examineWal(wal: Uint8Array | null, shm: Uint8Array): WalFindings {
  const index = indexOf(shm);
  const notInFile = index === null ? 0 : index.frames - index.inFile;
  if (wal === null && index === null) return { verdict: 'unsure', readable: 0, unreadable: 0 };
  if (wal === null || wal.length < headerBytes)
    return { verdict: notInFile > 0 ? 'damaged' : 'sound', readable: 0, unreadable: Math.max(0, notInFile) };
  const header = headerOf(wal);
  return header === null ? withoutHeader(wal, index, notInFile) : withHeader(wal, header, index);
}

/**
 * Nothing is played back. SQLite syncs a header before it writes any frame, so where there are frames the header was whole once, and no power cut leaves them without it
 * (on a disk that tears no sector: the header of the next round is written over the last one's). What lies behind belongs together by its salts.
 */
function withoutHeader(wal: Uint8Array, index: Index | null, notInFile: number): WalFindings {
  const salts = saltsOf(wal);
  const frames = [...framesOf(wal, { pageBytes: usualPageBytes, isBigEndian: false, salts, sum: [0, 0] })];
  const own = frames.filter(({ isOwn }) => isOwn).length;
  const end = frames.findLastIndex(({ isOwn }) => isOwn) + 1;
  const isAllKnown = index !== null && own > 0 && sameBytes(index.salts, salts) && end <= index.frames;
  if (notInFile === 0 && (frames.length === 0 || isAllKnown)) return { verdict: 'sound', readable: 0, unreadable: 0 };
  return { verdict: 'damaged', readable: 0, unreadable: notInFile > 0 ? notInFile : Math.max(own, 1) };
}

/** Those of the first two neighbours that agree: whatever took the header may have taken the first frame's as well. */
function saltsOf(wal: Uint8Array): Uint8Array {
  const step = frameHeaderBytes + usualPageBytes;
  const at = (frame: number): Uint8Array => wal.subarray(frame + 8, frame + 16);
  for (let frame = headerBytes; frame + step + frameHeaderBytes <= wal.length; frame += step)
    if (sameBytes(at(frame), at(frame + step)) && at(frame).some((byte) => byte !== 0)) return at(frame);
  return at(headerBytes);
}

function withHeader(wal: Uint8Array, header: Header, index: Index | null): WalFindings {
  let readable = 0;
  let at = 0;
  let isBroken = false;
  let isOfRound = true;
  const behind = { end: 0, commits: 0, lastIsCommit: false };
  for (const { isOwn, follows, isCommit } of framesOf(wal, header)) {
    at += 1;
    isBroken ||= !isOwn || !follows;
    // Salts are not part of the checksum: content that follows a frame of this round is of it too, whatever they say.
    isOfRound = isOwn || (follows && isOfRound);
    if (!isBroken) {
      if (isCommit) readable = at;
    } else if (isOfRound) {
      behind.end = at;
      behind.lastIsCommit = isCommit;
      if (isCommit) behind.commits += 1;
    }
  }
  const committed = index !== null && sameBytes(index.salts, header.salts) ? index.frames : null;
  const unreadable = Math.max(behind.end, committed ?? 0) - readable;
  const found = (verdict: WalFindings['verdict']): WalFindings => ({
    verdict,
    readable,
    unreadable: verdict === 'sound' ? 0 : unreadable,
  });
  if (committed !== null && committed > readable) return found('damaged');
  // A transaction begins only after the commit before it has returned.
  if (behind.commits > 1 || (behind.commits === 1 && !behind.lastIsCommit)) return found('damaged');
  return found(behind.commits === 1 && committed !== readable ? 'unsure' : 'sound');
}

/**
 * The file as SQLite would read it with its WAL: every page as the last readable commit left it, and no mark of WAL mode, so that it can be opened in memory.
 * Neither is changed.
 */
export function playedBack(file: Uint8Array, wal: Uint8Array | null): Uint8Array {
  const header = wal === null || wal.length < headerBytes ? null : headerOf(wal);
  const pages = wal === null || header === null ? null : committedPages(wal, header);
  const image = new Uint8Array(pages?.bytes ?? file.length);
  image.set(file.subarray(0, image.length));
  for (const [at, page] of pages?.content ?? []) if (at < image.length) image.set(page, at);
  for (const place of journalModes) if (image.length > place) image[place] = 1;
  return image;
}

/** By their place in the file; `bytes`: the size of the file. null: nothing was committed. */
function committedPages(
  wal: Uint8Array,
  header: Header,
): { readonly bytes: number; readonly content: ReadonlyMap<number, Uint8Array> } | null {
  const { pageBytes } = header;
  const view = viewOf(wal);
  const content = new Map<number, Uint8Array>();
  let uncommitted: (readonly [number, Uint8Array])[] = [];
  let pages: number | null = null;
  let at = headerBytes;
  for (const { isOwn, follows, isCommit } of framesOf(wal, header)) {
    if (!isOwn || !follows) break;
    const begin = at + frameHeaderBytes;
    uncommitted.push([(view.getUint32(at) - 1) * pageBytes, wal.subarray(begin, begin + pageBytes)]);
    if (isCommit) {
      for (const [place, page] of uncommitted) content.set(place, page);
      uncommitted = [];
      pages = view.getUint32(at + 4);
    }
    at = begin + pageBytes;
  }
  return pages === null ? null : { bytes: pages * pageBytes, content };
}

function* framesOf(wal: Uint8Array, header: Header): Generator<Frame> {
  const { pageBytes, isBigEndian, salts } = header;
  let { sum } = header;
  const view = viewOf(wal);
  for (let at = headerBytes; at + frameHeaderBytes + pageBytes <= wal.length; at += frameHeaderBytes + pageBytes) {
    const kept: Sum = [view.getUint32(at + 16), view.getUint32(at + 20)];
    const head = summed(view, at, 8, isBigEndian, sum);
    const [one, two] = summed(view, at + frameHeaderBytes, pageBytes, isBigEndian, head);
    yield {
      isOwn: sameBytes(wal.subarray(at + 8, at + 16), salts),
      follows: one === kept[0] && two === kept[1],
      isCommit: view.getUint32(at + 4) !== 0,
    };
    // As it stands there: so the frame behind a broken one can still be told to follow it.
    sum = kept;
  }
}

/** null: SQLite would not accept it. */
function headerOf(wal: Uint8Array): Header | null {
  const view = viewOf(wal);
  const magic = view.getUint32(0);
  const pageBytes = view.getUint32(8);
  const isBigEndian = (magic & 1) === 1;
  if ((magic & ~1) >>> 0 !== 0x37_7f_06_82 || view.getUint32(4) !== versions) return null;
  const sum = summed(view, 0, 24, isBigEndian, [0, 0]);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return null;
  return { pageBytes, isBigEndian, salts: wal.subarray(16, 24), sum };
}

/** In the byte order of the machine that wrote it; where that is another one, or its two copies differ, it tells nothing. */
function indexOf(shm: Uint8Array): Index | null {
  if (shm.length < 100 || !sameBytes(shm.subarray(0, 48), shm.subarray(48, 96))) return null;
  const view = viewOf(shm);
  const [one, two] = summed(view, 0, 40, false, [0, 0]);
  if (view.getUint32(0, true) !== versions || one !== view.getUint32(40, true) || two !== view.getUint32(44, true))
    return null;
  return { salts: shm.subarray(32, 40), frames: view.getUint32(16, true), inFile: view.getUint32(96, true) };
}

/** SQLite's running checksum over pairs of 32-bit words. */
function summed(view: DataView, from: number, bytes: number, isBigEndian: boolean, [one, two]: Sum): Sum {
  let a = one;
  let b = two;
  for (let at = from; at < from + bytes; at += 8) {
    a = (a + view.getUint32(at, !isBigEndian) + b) >>> 0;
    b = (b + view.getUint32(at + 4, !isBigEndian) + a) >>> 0;
  }
  return [a, b];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
