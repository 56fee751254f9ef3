import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { GatewayEvent, Kept, Note, Reading, Stream } from '../../agent/reading.ts';
import { streams } from '../../agent/reading.ts';
import { openBuffer } from '../../buffer/open.ts';
import { pointInfo, reading } from '../support/readings.ts';
import { SameThreadWriter } from '../support/same-thread-writer.ts';
import { idOf } from './content.ts';
import type { Drained } from './ledger.ts';
import { restartQuota } from './quota.ts';
import { bufferPath, fastFolder } from './record.ts';
import { wallClock } from './wall-clock.ts';

const patienceMs = 20_000;

/** Lays the files out, starts a buffer on them, takes all that it gives, appends to every lane, closes; again if `twice`, and then nothing may come. */
export async function restart(
  files: ReadonlyMap<string, Uint8Array | 'folder'>,
  { twice }: { readonly twice: boolean },
): Promise<Drained> {
  const folder = mkdtempSync(join(fastFolder, 'sluice-cut-'));
  try {
    for (const [path, content] of files)
      if (content === 'folder') mkdirSync(join(folder, path), { recursive: true });
      else writeFileSync(join(folder, path), content);
    const drained = await drain(join(folder, bufferPath));
    if (twice) {
      const again = await drain(join(folder, bufferPath));
      if (again.entries.length > 0) throw new Error(`after an orderly end ${again.entries.length} entries came again`);
    }
    return drained;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything that was there before, lane by lane, up to the entry that this start appends. */
async function drain(path: string): Promise<Drained> {
  const events: GatewayEvent[] = [];
  const clock = wallClock();
  const trouble: string[] = [];
  const buffer = await openBuffer({
    path,
    maxBytes: restartQuota,
    commitEveryMs: 1,
    clock,
    writer: new SameThreadWriter(),
    event: (event) => events.push(event),
    log: (message) => trouble.push(message),
  });
  const signal = AbortSignal.timeout(patienceMs);
  const entries: Kept[] = [];
  try {
    const at = clock.now();
    const point = pointInfo({ stream: 'sensor-values', kind: 'gauge' });
    const note = { at, key: 'last', json: '{}' };
    const last: Record<Stream, Reading | Note> = {
      'meter-readings': reading({ at }),
      'sensor-values': reading({ at, point }),
      'asset-metadata': note,
      'gateway-events': note,
    };
    await Promise.all(streams.map((stream) => buffer.append(stream, [last[stream]])));
    for (const stream of streams) {
      let isOver = false;
      for (let after = 0; !isOver;) {
        const batch = await buffer.next(stream, after, 2_000, signal);
        after = batch.last;
        isOver = batch.entries.some(({ epoch }) => epoch === buffer.epoch);
        entries.push(...batch.entries.filter(({ epoch }) => epoch !== buffer.epoch));
        buffer.settle(stream, batch.first, batch.last);
      }
    }
  } finally {
    await buffer.close(signal);
  }
  if (trouble.length > 0) throw new Error(`trouble on a disk that is well again: ${trouble.join('; ')}`);
  return { epoch: buffer.epoch, entries, events, dead: deadLetters(join(path, 'dead-letters.db')) };
}

/** None, where a disk that lies has ruined them. */
function deadLetters(file: string): string[] {
  if (!existsSync(file)) return [];
  const db = new Database(file);
  try {
    const rows = db.prepare('SELECT epoch, seq FROM letters').all() as { epoch: string; seq: number }[];
    return rows.map(({ epoch, seq }) => idOf(epoch, seq));
  } catch (error) {
    if (error instanceof Database.SqliteError && /NOTADB|CORRUPT|ERROR/.test(error.code)) return [];
    throw error;
  } finally {
    db.close();
  }
}
