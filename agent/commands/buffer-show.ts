import { commitsOf } from '../../buffer/view/view-entries.ts';
import type { ViewedEntry } from '../../buffer/view/view-entries.ts';
import type { BufferView, ViewedSegment } from '../../buffer/view/view.ts';
import { walText } from '../../buffer/damage/wal-look.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { messageOf, UsageError } from '../errors.ts';
import { streams } from '../reading.ts';
import type { Kept, KeptNote, Stream } from '../reading.ts';
import { jsonEncoding } from '../uplink/encodings.ts';
import { asked, folderOption, looking, noBufferYet } from './buffer-folder.ts';
import { fileArgument, type Command, type CommandArgs, type Output } from './command.ts';
import { numberOf } from './parse.ts';
import { isoText, lineText, LongPrint } from './printing.ts';

/** A person's terminal is not to be flooded; whoever asks for JSON wants all. */
const mostLines = 100;
const mostLast = 100_000;

interface Wanted {
  readonly lanes: readonly Stream[];
  /** null: all. */
  readonly devices: ReadonlySet<string> | null;
  readonly settledToo: boolean;
}

export const bufferShow: Command = {
  name: 'buffer show',
  about: 'The readings and events that wait, oldest first.',
  arguments: [fileArgument],
  options: {
    lane: { value: 'LANE', multiple: true, choices: streams, about: `only this lane: ${streams.join(', ')}` },
    device: { value: 'DEVICE', multiple: true, about: 'only this device' },
    last: { value: 'N', about: 'the newest N' },
    limit: { value: 'N', about: `the oldest N (without --json ${mostLines} unless given)` },
    settled: { about: 'what was delivered too, as far as it is still on disk' },
    json: {
      about:
        'one line per record: {"topic","key","timestamp","value","settled","held"}, as `run` will send it (but for the time of a reading that is held until the clock is right); all of them unless limited',
    },
    folder: folderOption,
  },
  examples: [
    { line: 'sluice buffer show --last 20', about: 'the newest that wait' },
    {
      line: 'sluice buffer show --settled --last 5 --device EM-104',
      about: 'what was last kept of a meter, delivered or not',
    },
    {
      line: 'sluice buffer show --json --folder /mnt/card/buffer',
      about: 'everything that waits on a card from another machine',
    },
  ],
  exits: { 0: 'fine, or no buffer yet', 1: 'some of it is damaged and was left out', 78: 'the configuration is wrong' },

  run(args, io) {
    const json = args.values['json'] === true;
    const wanted = wantedOf(args);
    const last = numberOf(args, 'last', 1, mostLast);
    const limit = numberOf(args, 'limit', 1, Number.MAX_SAFE_INTEGER);
    if (last !== undefined && limit !== undefined)
      throw new UsageError('--last and --limit exclude each other; one is allowed');
    const where = asked(args, io);
    const tell = (text: string): void => void io.stderr.write(`${text}\n`);
    return looking(
      where,
      () => {
        tell(noBufferYet(where.folder));
        return 0;
      },
      async (view) => {
        const printed = new LongPrint(io.stdout, io.signal);
        const found = new Finder(view, wanted, tell, printed);
        const lineOf = json ? jsonLine(where.config) : tableLine(io.stdout, wanted);
        const most = last ?? limit ?? (json ? Infinity : mostLines);
        let count = 0;
        for await (const entry of last === undefined ? found.fromOldest() : found.newest(last)) {
          if (count === most) {
            if (limit === undefined) tell(`more follow; see --limit, --last and --json`);
            break;
          }
          count += 1;
          if (!(await printed.line(lineOf(entry)))) break;
        }
        if (count === 0 && !json)
          tell(
            `${where.folder}: nothing ${wanted.settledToo ? 'there' : 'waits'}${wanted.devices === null && wanted.lanes.length === streams.length ? '' : ' that matches'}`,
          );
        return found.isDamaged ? 1 : 0;
      },
    );
  },
};

function wantedOf({ values }: CommandArgs): Wanted {
  const { lane, device } = values;
  return {
    lanes: Array.isArray(lane) ? streams.filter((stream) => lane.includes(stream)) : streams,
    devices: Array.isArray(device) ? new Set(device.map(String)) : null,
    settledToo: values['settled'] === true,
  };
}

class Finder {
  isDamaged = false;
  readonly #view: BufferView;
  readonly #wanted: Wanted;
  readonly #tell: (text: string) => void;
  readonly #turns: LongPrint;

  constructor(view: BufferView, wanted: Wanted, tell: (text: string) => void, turns: LongPrint) {
    this.#view = view;
    this.#wanted = wanted;
    this.#tell = tell;
    this.#turns = turns;
    for (const { segment, why } of view.unreadable) this.#damage(`segment ${segment} cannot be read: ${why}`);
    for (const { segment, wal } of view.wals)
      if (wal.verdict === 'damaged') this.#damage(`segment ${segment}: ${walText(wal)}`);
  }

  async *fromOldest(): AsyncGenerator<ViewedEntry> {
    for (const segment of this.#view.segments) yield* this.#entries(segment);
  }

  /** The newest `most`, oldest of them first. */
  async *newest(most: number): AsyncGenerator<ViewedEntry> {
    const parts: ViewedEntry[][] = [];
    let left = most;
    for (const segment of this.#view.segments.toReversed()) {
      let part: ViewedEntry[] = [];
      for await (const entry of this.#entries(segment)) {
        part.push(entry);
        if (part.length >= 2 * left) part = part.slice(-left);
      }
      part = part.slice(-left);
      parts.unshift(part);
      left -= part.length;
      if (left === 0) break;
    }
    for (const part of parts) yield* part;
  }

  async *#entries(segment: ViewedSegment): AsyncGenerator<ViewedEntry> {
    const { lanes, devices, settledToo } = this.#wanted;
    try {
      for (const { entries, damaged } of commitsOf(this.#view, segment, lanes)) {
        for (const { row, why } of damaged) this.#damage(`segment ${segment.name}, frame ${row} is left out: ${why}`);
        for (const found of entries) {
          if (!(await this.#turns.goesOn())) return;
          if (found.isSettled && !settledToo) continue;
          if (devices === null || devices.has(deviceOf(found.entry))) yield found;
        }
      }
    } catch (error) {
      this.#damage(`segment ${segment.name} cannot be read from here: ${messageOf(error)}`);
    }
  }

  #damage(text: string): void {
    if (!this.isDamaged) this.#tell('Some of the buffer is damaged; look closer with: sluice buffer verify');
    this.isDamaged = true;
    this.#tell(text);
  }
}

/** Metadata bears its device in the key, an event in its body. */
function deviceOf(entry: Kept): string {
  if (entry.form === 'reading') return entry.point.device;
  return textIn(entry, 'device') ?? (entry.stream === 'asset-metadata' ? (entry.key.split('/')[1] ?? '') : '');
}

/** A field of a note's body, if it is a text. */
function textIn({ json }: KeptNote, field: string): string | undefined {
  if (json === null) return undefined;
  try {
    const value = (JSON.parse(json) as Readonly<Record<string, unknown>>)[field];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function jsonLine(config: SiteConfig | null): (found: ViewedEntry) => string {
  const encode = jsonEncoding();
  const topics: Readonly<Record<string, string>> = config && 'kafka' in config.uplink ? config.uplink.kafka.topics : {};
  return ({ entry, isSettled, isHeld }) => {
    const { key, value, timestampMs } = encode(entry, false);
    const topic = topics[entry.stream] ?? entry.stream;
    return `{"topic":${JSON.stringify(topic)},"key":${JSON.stringify(key)},"timestamp":${timestampMs},"value":${value},"settled":${isSettled},"held":${isHeld}}`;
  };
}

/** The head comes with the first line. */
function tableLine(out: Output, { settledToo }: Wanted): (found: ViewedEntry) => string {
  const widths = [24, 14, 20, 14, 6, ...(settledToo ? [9] : [])];
  const text = (cells: readonly string[], state: string, status: string): string =>
    lineText([...cells, ...(settledToo ? [state] : []), status], widths, [3]);
  let isFirst = true;
  return ({ entry, isSettled, isHeld }) => {
    if (isFirst) out.write(`${text(['time', 'device', 'point', 'value', 'unit'], 'state', 'status')}\n`);
    isFirst = false;
    const [cells, state, status] = cellsOf(entry, isSettled ? 'delivered' : isHeld ? 'held' : 'waiting');
    return text(cells, state, isHeld && !settledToo ? `${status} (held)` : status);
  };
}

function cellsOf(entry: Kept, state: string): [string[], string, string] {
  const time = isoText(entry.timeMs);
  if (entry.form === 'reading') {
    const { point, value, text, status, quality } = entry;
    const shown = quality === 'bad' ? '-' : (text ?? String(value));
    return [[time, point.device, point.point, shown, point.unit ?? ''], state, status];
  }
  const said = textIn(entry, 'message') ?? (entry.json === null ? 'removed (tombstone)' : entry.key);
  const status = `${textIn(entry, 'severity') ?? ''} ${said}`.trim();
  return [[time, deviceOf(entry), textIn(entry, 'event') ?? entry.stream, '', ''], state, status];
}
