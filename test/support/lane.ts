import type { Batch, Buffer } from '../../buffer/buffer.ts';
import { UplinkError } from '../../agent/errors.ts';
import type { Fate } from '../../agent/errors.ts';
import type { Kept, KeptReading, Stream } from '../../agent/reading.ts';
import type { Destination, Uplink } from '../../agent/uplink/uplink.ts';
import { pointInfo } from './readings.ts';

/** A reading as the buffer gives it, `device` first so that order per key is easy to ask for. */
export function kept(seq: number, some: Partial<KeptReading> & { device?: string } = {}): KeptReading {
  const { device = 'EM-1', ...rest } = some;
  return {
    form: 'reading',
    epoch: '1-abcdefgh',
    seq,
    stream: 'meter-readings',
    timeMs: Date.parse('2026-11-22T13:00:00Z'),
    clock: 'synced',
    repeat: false,
    point: pointInfo({ device }),
    value: seq,
    text: null,
    quality: 'good',
    status: 'Good',
    exceptionCode: null,
    timeSource: 'gateway',
    slotMs: null,
    deviceTimeMs: null,
    raw: null,
    ...rest,
  };
}

/** A lane in memory with the contract of the buffer's: reading does not remove, only `settle` and `reject` do. */
export class MemoryLane implements Pick<Buffer, 'next' | 'settle' | 'reject'> {
  readonly frames: Kept[][] = [];
  readonly settled: number[] = [];
  readonly rejected: { entry: Kept; reason: string; record: { key: string; value: string | null } }[] = [];
  failNextReject: Error | undefined;
  #wake = new Set<() => void>();

  add(...entries: Kept[]): void {
    this.frames.push(entries);
    for (const wake of this.#wake) wake();
  }

  /** Entries that are neither delivered nor dead. */
  get waiting(): number[] {
    const gone = new Set([...this.settled, ...this.rejected.map(({ entry }) => entry.seq)]);
    return this.frames.flat().flatMap(({ seq }) => (gone.has(seq) ? [] : [seq]));
  }

  async next(stream: Stream, after: number, mostEntries: number, signal: AbortSignal): Promise<Batch> {
    for (;;) {
      signal.throwIfAborted();
      const entries: Kept[] = [];
      for (const frame of this.frames) {
        if ((frame[0]?.seq ?? 0) <= after) continue;
        if (entries.length > 0 && entries.length + frame.length > mostEntries) break;
        entries.push(...frame);
      }
      const [first, last] = [entries[0], entries.at(-1)];
      if (first !== undefined && last !== undefined) return { stream, first: first.seq, last: last.seq, entries };
      await this.#more(signal);
    }
  }

  settle(_stream: Stream, first: number, last: number): void {
    const seqs = this.frames.flat().map(({ seq }) => seq);
    this.settled.push(...seqs.filter((seq) => seq >= first && seq <= last));
  }

  async reject(entry: Kept, reason: string, record: { key: string; value: string | null }): Promise<void> {
    const failure = this.failNextReject;
    this.failNextReject = undefined;
    if (failure !== undefined) throw failure;
    this.rejected.push({ entry, reason, record });
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

export interface Arrival {
  readonly to: Destination;
  readonly seq: number;
  readonly repeat: boolean;
  readonly timestampMs: number;
  readonly uplink: number;
}

export type Verdict = 'ok' | { fate: Fate; code: string; arrived?: number };

/** A broker by script: `connects` and `sends` decide, in their absence all is well. Holds every uplink to the contract. */
export class ScriptedBroker {
  readonly arrived: Arrival[] = [];
  readonly attempts: number[][] = [];
  connects: (attempt: number) => Verdict | Promise<Verdict> = () => 'ok';
  sends: (records: readonly Arrival[], attempt: number) => Verdict | Promise<Verdict> = () => 'ok';
  made = 0;
  open = 0;
  connectAttempts = 0;

  readonly uplinks = (): Uplink => {
    const uplink = ++this.made;
    let life: 'fresh' | 'connected' | 'spent' | 'closed' = 'fresh';
    if (++this.open > 1) throw new Error('a second uplink before the first was closed');
    const judge = async (
      verdict: Verdict | Promise<Verdict>,
      signal: AbortSignal,
      records: Arrival[],
    ): Promise<void> => {
      const found = await Promise.race([verdict, whenAborted(signal)]);
      const count = found === 'ok' ? records.length : (found.arrived ?? 0);
      this.arrived.push(...records.slice(0, count));
      if (found === 'ok') return;
      life = 'spent';
      throw new UplinkError(found.fate, found.code, `scripted ${found.code}`);
    };
    return {
      connect: async (signal) => {
        if (life !== 'fresh') throw new Error(`connect on an uplink that is ${life}`);
        life = 'connected';
        await judge(this.connects(++this.connectAttempts), signal, []);
      },
      send: async (to, records, signal) => {
        if (life !== 'connected') throw new Error(`send on an uplink that is ${life}`);
        const arrivals = records.map(({ value, timestampMs }) => {
          const { id, repeat } = JSON.parse(value ?? '') as { id: string; repeat?: boolean };
          return { to, seq: Number(id.split('/')[2]), repeat: repeat ?? false, timestampMs, uplink };
        });
        this.attempts.push(arrivals.map(({ seq }) => seq));
        await judge(this.sends(arrivals, this.attempts.length), signal, arrivals);
      },
      close: async () => {
        if (life !== 'closed') this.open--;
        life = 'closed';
      },
    };
  };
}

function whenAborted(signal: AbortSignal): Promise<Verdict> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ fate: 'retry', code: 'ABORTED' }), { once: true });
  });
}
