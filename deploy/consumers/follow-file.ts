import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chunk, Inbox, Incoming } from './inbox.ts';

export interface FileSource {
  /** NDJSON, as a gateway without a broker writes it: `{"topic","key","timestamp","value"}` a line. */
  readonly file: string;
  readonly topics: readonly string[];
}

const lookAgainAfterMs = 250;
const mostBytes = 1_000_000;
const newline = 0x0a;

/** Reads the file into the inbox as it grows, until `signal` fires. */
export async function followFile({ file, topics }: FileSource, inbox: Inbox, signal: AbortSignal): Promise<void> {
  const source = resolve(file);
  while (!signal.aborted) {
    const chunk = await readChunk(source, inbox.position(source) ?? 0, new Set(topics));
    if (chunk === undefined) await sleep(lookAgainAfterMs, undefined, { signal }).catch(() => undefined);
    else inbox.take(chunk);
  }
}

/** The whole lines that lie after `from`; undefined: none. */
async function readChunk(source: string, from: number, topics: ReadonlySet<string>): Promise<Chunk | undefined> {
  const handle = await open(source, constants.O_RDONLY).catch(missing);
  if (handle === undefined) return undefined;
  try {
    // A file that was cut or replaced is read from its beginning: what is known already is dropped by its id.
    if (!(await isLineStart(handle, from))) return { source, records: [], next: 0 };
    const buffer = Buffer.alloc(mostBytes);
    const { bytesRead } = await handle.read(buffer, 0, mostBytes, from);
    const length = buffer.subarray(0, bytesRead).lastIndexOf(newline) + 1;
    if (length === 0) return undefined;
    let position = from;
    const records: (Incoming & { position: number })[] = [];
    for (const line of buffer.toString('utf8', 0, length).split('\n').slice(0, -1)) {
      const record = recordOf(line, topics);
      if (record !== undefined) records.push({ position, ...record });
      position += Buffer.byteLength(line) + 1;
    }
    return { source, records, next: from + length };
  } finally {
    await handle.close();
  }
}

/** undefined: of a topic that is not ours. A line that is no record is handed on, to be set aside. */
function recordOf(line: string, topics: ReadonlySet<string>): Incoming | undefined {
  try {
    const { topic, key, value } = JSON.parse(line) as { topic: string; key: string; value: unknown };
    return topics.has(topic) ? { key, json: value === null ? null : JSON.stringify(value) } : undefined;
  } catch {
    return { key: null, json: line };
  }
}

async function isLineStart(handle: FileHandle, position: number): Promise<boolean> {
  if (position === 0) return true;
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, position - 1);
  return bytesRead === 1 && buffer[0] === newline;
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
