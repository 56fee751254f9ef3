import { laneStats } from '../../buffer/view/view-lanes.ts';
import { wearOf } from '../../buffer/view/view-wear.ts';
import type { BufferView } from '../../buffer/view/view.ts';
import { walText } from '../../buffer/damage/wal-look.ts';
import { deviceWear } from '../../buffer/wear.ts';
import { messageOf } from '../errors.ts';
import { asked, folderOption, looking, noBufferYet } from './buffer-folder.ts';
import { enduranceOf, wearFacts, wearText } from './buffer-wear.ts';
import type { WearFacts } from './buffer-wear.ts';
import { fileArgument, type Command } from './command.ts';
import { bytesText, counted, isoText, tableText } from './printing.ts';

export const bufferStats: Command = {
  name: 'buffer stats',
  about: 'How much waits in each lane, since when, and what the buffer takes on disk.',
  arguments: [fileArgument],
  options: {
    json: { about: 'one JSON value; "exists" is false where no daemon has run yet' },
    endurance: {
      value: 'SIZE',
      about: 'how long a card lasts that may be written this much in its life, e.g. 30TB (its data sheet calls it TBW)',
    },
    folder: folderOption,
  },
  examples: [
    { line: 'sluice buffer stats --endurance 30TB', about: 'how many years the card will last' },
    { line: 'sluice buffer stats', about: 'on site, also while the daemon runs' },
    { line: 'sluice buffer stats --folder /mnt/card/buffer', about: 'a card from another machine' },
  ],
  exits: {
    0: 'fine, or no buffer yet',
    1: 'some of it is damaged or cannot be read',
    78: 'the configuration is wrong',
  },

  run(args, io) {
    const where = asked(args, io);
    const json = args.values['json'] === true;
    const endurance = enduranceOf(args);
    return looking(
      where,
      () => {
        io.stdout.write(
          json ? `${JSON.stringify({ folder: where.folder, exists: false })}\n` : `${noBufferYet(where.folder)}\n`,
        );
        return 0;
      },
      (view) => {
        // A card of another machine was worn there.
        const device = where.config === null ? null : deviceWear(where.folder);
        const found = {
          ...statsOf(view, where.config?.buffer.maxBytes ?? null),
          wear: wearFacts(wearOf(view), device, endurance),
        };
        io.stdout.write(json ? `${JSON.stringify(found)}\n` : textOf(found));
        return found.unreadable.length + found.damagedFrames + found.damagedWals.length > 0 ? 1 : 0;
      },
      { isQuick: true },
    );
  },
};

function statsOf(view: BufferView, maxBytes: number | null) {
  const { lanes, unreadable, damagedFrames } = laneStats(view);
  return {
    folder: view.folder,
    exists: true,
    segments: view.segments.length,
    bytes: view.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    maxBytes,
    ballastBytes: view.ballastBytes(),
    removed: removedFrom(view),
    epochs: [...new Set(view.segments.map(({ epoch }) => epoch))],
    lanes: lanes.map(({ stream, waiting, held, settled, oldestWaitingMs, newestMs }) => ({
      lane: stream,
      waiting,
      held,
      settled,
      oldestWaiting: oldestWaitingMs === null ? null : isoText(oldestWaitingMs),
      newest: newestMs === null ? null : isoText(newestMs),
    })),
    deadLetters: deadLetters(view),
    quarantined: view.quarantined(),
    quarantinedBytes: view.quarantinedBytes(),
    unreadable,
    damagedFrames,
    damagedWals: view.wals
      .filter(({ wal }) => wal.verdict === 'damaged')
      .map(({ segment, wal }) => ({ segment, why: walText(wal) })),
  };
}

/** Entries that were taken out of segments which are still there. */
function removedFrom(view: BufferView): number {
  let removed = 0;
  for (const segment of view.segments) {
    if (segment.listed !== null) {
      removed += segment.listed.removed;
      continue;
    }
    try {
      for (const { count } of view.use(segment, ({ file }) => file.removed()) ?? []) removed += count;
    } catch {
      // It is listed as unreadable.
    }
  }
  return removed;
}

/** How many, or why that cannot be said. */
function deadLetters(view: BufferView): number | string {
  try {
    return [...view.deadLetters()].length;
  } catch (error) {
    return messageOf(error);
  }
}

function textOf(found: ReturnType<typeof statsOf> & { readonly wear: WearFacts }): string {
  const { folder, segments, bytes, maxBytes, epochs, lanes, quarantined, unreadable, damagedFrames, damagedWals } =
    found;
  const most = maxBytes === null ? '' : ` of at most ${bytesText(maxBytes)}`;
  const lines = [
    `${folder}: ${counted(segments, 'segment')}, ${bytesText(bytes)}${most}; ${epochsText(epochs)}\n`,
    tableText(
      ['lane', 'waiting', 'delivered', 'oldest waiting', 'newest'],
      lanes.map((lane) => [
        lane.lane,
        String(lane.waiting),
        String(lane.settled),
        lane.oldestWaiting ?? '-',
        lane.newest ?? '-',
      ]),
      [1, 2],
    ),
    ...wearText(found.wear),
  ];
  const held = lanes.reduce((sum, lane) => sum + lane.held, 0);
  if (held > 0)
    lines.push(`${counted(held, 'reading')} of these wait until the clock of the gateway is right (clock.hold)\n`);
  if (found.removed > 0)
    lines.push(
      `${counted(found.removed, 'entry', 'entries')} taken out of segments to make room: delivered, or told as loss\n`,
    );
  if (found.segments > 0 && found.ballastBytes === 0)
    lines.push('the ballast is given up: the disk was full; it is made again when there is room\n');
  if (typeof found.deadLetters === 'string') lines.push(`dead letters cannot be read: ${found.deadLetters}\n`);
  else if (found.deadLetters > 0)
    lines.push(`${counted(found.deadLetters, 'dead letter')}; look at them with: sluice buffer dead-letters\n`);
  if (quarantined.length > 0)
    lines.push(
      `${counted(quarantined.length, 'file')} in quarantine/, ${bytesText(found.quarantinedBytes)} of the quota (a quarter at most): keep copies, their readings may be recoverable\n`,
    );
  for (const { segment, why } of unreadable) lines.push(`segment ${segment} cannot be read: ${why}\n`);
  for (const { segment, why } of damagedWals) lines.push(`segment ${segment}: ${why}\n`);
  if (damagedFrames > 0)
    lines.push(`${counted(damagedFrames, 'damaged frame')}; look closer with: sluice buffer verify\n`);
  return lines.join('');
}

function epochsText(epochs: readonly string[]): string {
  const [first, last] = [epochs[0], epochs.at(-1)];
  if (first === undefined || last === undefined) return 'empty';
  return epochs.length === 1 ? `epoch ${last}` : `${counted(epochs.length, 'epoch')}, ${first} to ${last}`;
}
