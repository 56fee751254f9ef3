import { auditDeadLetters, auditSegment } from '../../buffer/view/view-damage.ts';
import type { Damaged, Missing } from '../../buffer/view/view-damage.ts';
import type { BufferView } from '../../buffer/view/view.ts';
import { walText } from '../../buffer/damage/wal-look.ts';
import { streams } from '../reading.ts';
import { asked, folderOption, looking, noBufferYet } from './buffer-folder.ts';
import { fileArgument, type Command } from './command.ts';
import { bytesText, counted, LongPrint } from './printing.ts';

const mostRanges = 5;

interface Verdict {
  readonly segments: number;
  readonly rows: number;
  readonly entries: number;
  readonly damaged: readonly Damaged[];
  readonly missing: readonly Missing[];
  /** Entries that were taken out to make room: delivered, or dropped and told as loss. */
  readonly removed: number;
  /** What a power cut may have left as well as damage. */
  readonly unsure: readonly Damaged[];
  /** Missing and not delivered before, at most. */
  readonly lost: number;
  /** The signal came before the end. */
  readonly isWhole: boolean;
}

export const bufferVerify: Command = {
  name: 'buffer verify',
  about: `Examines every row of the buffer by its checksum, and lists what is damaged and what that loses.
Changes nothing; the daemon itself passes over damaged rows and tells them as loss.`,
  arguments: [fileArgument],
  options: {
    json: {
      about:
        'one JSON value: {"ok","folder","segments","rows","entries","damaged","missing","removed","unsure","lost"}',
    },
    folder: folderOption,
  },
  examples: [
    { line: 'sluice buffer verify', about: 'after a power cut, or when a card is suspected' },
    {
      line: 'sluice buffer verify --json --folder /mnt/card/buffer',
      about: 'a card from another machine, for a program',
    },
  ],
  exits: { 0: 'all sound, or no buffer yet', 1: 'something is damaged', 78: 'the configuration is wrong' },

  run(args, io) {
    const where = asked(args, io);
    const json = args.values['json'] === true;
    const { folder } = where;
    return looking(
      where,
      () => {
        io.stdout.write(
          json
            ? `${JSON.stringify({ ok: true, folder, segments: 0, rows: 0, entries: 0, damaged: [], missing: [], removed: 0, unsure: [], lost: 0 })}\n`
            : `${noBufferYet(folder)}\n`,
        );
        return 0;
      },
      async (view) => {
        const verdict = await verified(view, new LongPrint(io.stdout, io.signal));
        const { isWhole, ...found } = verdict;
        const ok = isWhole && found.damaged.length + found.missing.length === 0;
        io.stdout.write(json ? `${JSON.stringify({ ok, folder, ...found })}\n` : textOf(folder, verdict, view));
        return ok ? 0 : 1;
      },
    );
  },
};

async function verified(view: BufferView, turns: LongPrint): Promise<Verdict> {
  const damaged: Damaged[] = view.unreadable.map(({ segment, why }) => ({ segment, table: null, row: null, why }));
  const unsure: Damaged[] = [];
  for (const { segment, wal } of view.wals)
    (wal.verdict === 'damaged' ? damaged : unsure).push({ segment, table: 'WAL', row: null, why: walText(wal) });
  const missing: Missing[] = [];
  const sums = { segments: 0, rows: 0, entries: 0, removed: 0 };
  let isWhole = true;
  for (const segment of view.segments) {
    isWhole &&= await turns.breathe();
    if (!isWhole) break;
    const found = auditSegment(view, segment);
    sums.segments += 1;
    sums.rows += found.rows;
    sums.entries += found.entries;
    sums.removed += found.removed;
    damaged.push(...found.damaged);
    if (found.missing) missing.push(found.missing);
  }
  damaged.push(...auditDeadLetters(view));
  return { ...sums, damaged, missing, unsure, lost: missing.reduce((sum, { lost }) => sum + lost, 0), isWhole };
}

function textOf(
  folder: string,
  { segments, rows, entries, damaged, missing, removed, unsure, lost, isWhole }: Verdict,
  view: BufferView,
): string {
  const lines = damaged.map(({ segment, table, row, why }) =>
    table === 'WAL'
      ? `${segment}: ${why}`
      : row === null
        ? `${segment}: cannot be read${table === null ? '' : ` (${table})`}: ${why}`
        : `${segment}: ${table ?? ''} row ${row}: ${why}`,
  );
  for (const { segment, why } of unsure) lines.push(`${segment}: ${why}`);
  for (const one of missing) {
    const delivered = one.count - one.lost;
    const fate = [
      delivered === 0 ? '' : `${delivered} had been delivered`,
      one.lost === 0 ? 'nothing is lost' : `up to ${one.lost} lost`,
    ];
    const lanes = one.lanes.length === streams.length ? 'any lane' : one.lanes.join(' or ');
    lines.push(
      `${one.segment}: ${counted(one.count, 'entry', 'entries')} missing, seq ${rangesText(one)}, of ${lanes}; ${fate.filter((part) => part !== '').join(', ')}`,
    );
  }
  if (removed > 0)
    lines.push(`${counted(removed, 'entry', 'entries')} taken out to make room: delivered, or told as loss`);
  const quarantined = view.quarantined().length;
  if (quarantined > 0)
    lines.push(`${counted(quarantined, 'file')} in quarantine/, ${bytesText(view.quarantinedBytes())}, not examined`);
  const looked = `${counted(segments, 'segment')}, ${counted(rows, 'row')}, ${counted(entries, 'entry', 'entries')}`;
  if (!isWhole) lines.push(`${folder}: stopped after ${looked}`);
  else if (damaged.length + missing.length === 0) lines.push(`${folder}: ${looked}: all sound`);
  else
    lines.push(
      `${folder}: ${looked}: damaged; ${lossText(lost, damaged)}. What is sound will be sent. Keep a copy of the folder; a card that damages files should be replaced.`,
    );
  return `${lines.join('\n')}\n`;
}

function lossText(lost: number, damaged: readonly Damaged[]): string {
  const hasLostWal = damaged.some(({ table }) => table === 'WAL');
  if (lost === 0) return hasLostWal ? 'how much is lost cannot be known' : 'nothing that was not delivered is lost';
  return `up to ${lost} undelivered entries are lost${hasLostWal ? ', and more, but how many cannot be known' : ''}`;
}

function rangesText({ ranges }: Missing): string {
  const shown = ranges
    .slice(0, mostRanges)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}…${last}`));
  const more = ranges.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
