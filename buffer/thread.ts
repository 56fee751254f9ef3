import { Worker } from 'node:worker_threads';
import { BufferError } from '../agent/errors.ts';
import type { GatewayEvent, Seq } from '../agent/reading.ts';
import { taskState } from '../agent/task-state.ts';
import type { Call, DamagedFrame, FromWriter, Space, ToWriter, WriterCalls } from './protocol.ts';

export interface ThreadListener {
  event(event: GatewayEvent): void;
  space(space: Space): void;
  trouble(message: string): void;
  /** The file system became read-only, or can be written again. */
  volatile(isOn: boolean): void;
}

/** What runs a `Writer`: a worker thread, but for tests that start thousands. */
export interface WriterHost {
  on(name: 'message', hear: (message: FromWriter) => void): unknown;
  once(name: 'error', hear: (cause: unknown) => void): unknown;
  once(name: 'exit', hear: (code: number) => void): unknown;
  postMessage(message: ToWriter): void;
  /** Keeps the process alive from now on. */
  ref(): void;
  terminate(): Promise<number>;
}

/** The writer thread as it looks from outside. */
export interface WriterPulse {
  /** How long the question now waiting has waited; 0: none does. */
  readonly silentMs: number;
  /** The thread computes at this moment. Otherwise it waits: for work, or in a system call for the disk. */
  readonly isComputing: boolean;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Begins a writer thread for a buffer that is opened soon: what it loads, it loads while others load. It opens nothing by itself, and does not keep the process
 * alive before a buffer takes it.
 */
export function beginWriter(): WriterHost {
  // `tsc` rewrites imports, not this URL.
  const own = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
  const worker = new Worker(new URL(own, import.meta.url), {
    name: 'buffer-writer',
    // It holds frames for moments only; left alone, V8 lets young garbage grow to tens of MB before it looks.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  worker.unref();
  return worker;
}

/** The main thread's end of the writer thread: calls with answers, and settlements without. */
export class WriterThread {
  /** The thread ended without being asked to. */
  readonly failed: Promise<Error>;
  readonly #host: WriterHost;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  #askedAtMs: number | null = null;
  /** Of the thread in /proc. */
  #folder: string | null = null;
  #isEnded = false;

  constructor(host: WriterHost, listener: ThreadListener) {
    this.#host = host;
    host.ref();
    this.#host.on('message', (message: FromWriter) => this.#heard(message, listener));
    this.failed = new Promise((resolve) => {
      const fail = (error: Error): void => {
        if (!this.#isEnded) resolve(error);
        this.#end(error);
      };
      this.#host.once('error', (cause) =>
        fail(new BufferError('WRITER_DIED', "the buffer's writer thread died", { cause })),
      );
      this.#host.once('exit', (code) =>
        fail(new BufferError('WRITER_DIED', `the buffer's writer thread ended with code ${code}`)),
      );
    });
  }

  call<Name extends keyof WriterCalls>(
    name: Name,
    take: WriterCalls[Name]['take'],
  ): Promise<WriterCalls[Name]['give']> {
    if (this.#isEnded) return Promise.reject(new BufferError('CLOSED', 'the buffer is closed'));
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#post({ type: 'call', number, call: { call: name, take } as Call });
    });
  }

  pulse(): WriterPulse {
    const silentMs = this.#askedAtMs === null ? 0 : performance.now() - this.#askedAtMs;
    if (this.#askedAtMs === null && !this.#isEnded) void this.#ask();
    return { silentMs, isComputing: this.#folder !== null && taskState(this.#folder) === 'R' };
  }

  async #ask(): Promise<void> {
    this.#askedAtMs = performance.now();
    try {
      this.#folder = await this.call('live', null);
    } catch {
      // It ends, or has no /proc to tell its folder.
    }
    this.#askedAtMs = null;
  }

  settle(lane: number, first: Seq, last: Seq): void {
    if (!this.#isEnded) this.#post({ type: 'settle', lane, first, last });
  }

  damaged(frame: DamagedFrame): void {
    if (!this.#isEnded) this.#post({ type: 'damaged', frame });
  }

  /** Ends the thread, whatever it is doing; what still waits for an answer is rejected. */
  async terminate(): Promise<void> {
    this.#end(new BufferError('CLOSED', 'the buffer is closed'));
    await this.#host.terminate();
  }

  #end(error: Error): void {
    this.#isEnded = true;
    for (const one of this.#waiting.values()) one.reject(error);
    this.#waiting.clear();
  }

  #post(message: ToWriter): void {
    this.#host.postMessage(message);
  }

  #heard(message: FromWriter, listener: ThreadListener): void {
    switch (message.type) {
      case 'gave':
        this.#waiting.get(message.number)?.resolve(message.value);
        this.#waiting.delete(message.number);
        break;
      case 'failed':
        this.#waiting.get(message.number)?.reject(new BufferError(message.code, message.message));
        this.#waiting.delete(message.number);
        break;
      case 'event':
        listener.event(message.event);
        break;
      case 'space':
        listener.space(message.space);
        break;
      case 'volatile':
        listener.volatile(message.isOn);
        break;
      case 'trouble':
        listener.trouble(message.message);
        break;
    }
  }
}
