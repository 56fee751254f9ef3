import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UplinkError, messageOf } from '../errors.ts';
import { within } from './deadline.ts';
import type { Destination, OutRecord, Uplink, UplinkFactory } from './uplink.ts';

export interface FileConfig {
  readonly path: string;
  /** Default: the destination's own name. */
  readonly topics?: Readonly<Partial<Record<Destination, string>>>;
  readonly sendTimeoutMs?: number;
}

/**
 * Where there is no broker: NDJSON, one `{"topic","key","timestamp","value"}` a line (timestamp in Unix ms), on disk before `send`
 * resolves. All lanes share one file and one writer, so that no line is ever glued to the torn end of another.
 */
export function fileUplink(config: FileConfig): UplinkFactory {
  const lines = new LineFile(config.path);
  return () => new FileUplink(config, lines);
}

class FileUplink implements Uplink {
  readonly #config: FileConfig;
  readonly #lines: LineFile;
  readonly #closed = new AbortController();
  #isSpent = false;

  constructor(config: FileConfig, lines: LineFile) {
    this.#config = config;
    this.#lines = lines;
  }

  connect(signal: AbortSignal): Promise<void> {
    this.#lines.users.add(this);
    return this.#once(signal, () => this.#lines.append('', this.#closed.signal));
  }

  send(to: Destination, records: readonly OutRecord[], signal: AbortSignal): Promise<void> {
    const topic = JSON.stringify(this.#config.topics?.[to] ?? to);
    const text = records.map((record) => line(topic, record)).join('');
    return this.#once(signal, () => this.#lines.append(text, this.#closed.signal));
  }

  async close(): Promise<void> {
    this.#isSpent = true;
    this.#closed.abort(new Error('this uplink was closed'));
    await Promise.allSettled([within(1500, new AbortController().signal, 'closing', () => this.#lines.release(this))]);
  }

  async #once(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const doing = `writing ${this.#config.path}`;
    if (this.#isSpent) throw new UplinkError('retry', 'SPENT', `${doing}: failed before or was closed`);
    try {
      await within(this.#config.sendTimeoutMs ?? 30_000, signal, doing, work);
    } catch (error) {
      this.#isSpent = true;
      if (error instanceof UplinkError) throw error;
      const { code = 'UNKNOWN' } = error as { code?: string };
      throw new UplinkError(operator.has(code) ? 'operator' : 'retry', code, `${doing}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

/** A full or failing disk may recover by itself; a path that cannot be written needs a person. */
const operator = new Set(['EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'EROFS', 'ENAMETOOLONG']);

function line(topic: string, { key, timestampMs, value }: OutRecord): string {
  return `{"topic":${topic},"key":${JSON.stringify(key)},"timestamp":${timestampMs},"value":${value ?? 'null'}}\n`;
}

/** The file, written by one caller at a time. Whatever fails, it ends with a whole line before the next is added. */
class LineFile {
  /** The file is closed when nobody uses it. */
  readonly users = new Set<object>();
  readonly #path: string;
  #tail: Promise<unknown> = Promise.resolve();
  #handle: FileHandle | undefined;
  /** Size up to which all lines are whole. */
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async append(text: string, unwanted: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      unwanted.throwIfAborted();
      await this.#write(text);
    });
  }

  async release(user: object): Promise<void> {
    this.users.delete(user);
    await this.#inTurn(async () => {
      if (this.users.size > 0) return;
      const handle = this.#handle;
      this.#handle = undefined;
      await handle?.close();
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#tail;
    const turn = (async () => {
      await before;
      await work();
    })();
    this.#tail = Promise.allSettled([turn]);
    await turn;
  }

  async #write(text: string): Promise<void> {
    const handle = await this.#open();
    try {
      if (text === '') return;
      await handle.appendFile(text);
      await handle.datasync();
      this.#size += Buffer.byteLength(text);
    } catch (error) {
      // Opening again cuts off what was half written, and a handle is never trusted after an I/O error.
      this.#handle = undefined;
      await handle.truncate(this.#size).catch(() => undefined);
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== undefined && (await this.#isStillThere(this.#handle))) return this.#handle;
    const gone = this.#handle;
    this.#handle = undefined;
    await gone?.close();
    await mkdir(dirname(this.#path), { recursive: true });
    const handle = await open(this.#path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o640);
    try {
      this.#size = await wholeLines(handle);
      await handle.truncate(this.#size);
      await handle.sync();
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
    this.#handle = handle;
    return handle;
  }

  /** False when the file was moved or removed (log rotation): what is written to it would be lost. */
  async #isStillThere(handle: FileHandle): Promise<boolean> {
    const [ours, named] = await Promise.all([handle.stat(), stat(this.#path).catch(() => undefined)]);
    return ours.ino === named?.ino && ours.dev === named.dev;
  }
}

/** So that a new file outlives a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The size up to the last line end: behind it lies what a crash cut off, which was never acked and comes again. */
async function wholeLines(handle: FileHandle): Promise<number> {
  const block = Buffer.alloc(64 * 1024);
  let end = (await handle.stat()).size;
  while (end > 0) {
    const start = Math.max(0, end - block.length);
    const { bytesRead } = await handle.read(block, 0, end - start, start);
    const at = block.subarray(0, bytesRead).lastIndexOf('\n');
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
