import { EventEmitter } from 'node:events';

/** A writer's end of the line, as far as writers use it. */
export interface Port {
  on(name: 'message', hear: (message: unknown) => void): void;
  postMessage(message: unknown): void;
}

/** By start: handed to the module that plays `node:worker_threads` to that writer. */
export const ports = new Map<string, Port>();

/** Stands in for a worker thread: the module is loaded anew, its messages are cloned and come in order, one a turn. */
export class Worker extends EventEmitter {
  readonly #hears: ((message: unknown) => void)[] = [];
  readonly #early: unknown[] = [];
  readonly #start: string;
  #isEnded = false;

  constructor(url: URL) {
    super();
    this.#start = String(Math.random()).slice(2);
    ports.set(this.#start, {
      on: (_, hear) => {
        this.#hears.push(hear);
        for (const message of this.#early.splice(0)) this.#deliver(message);
      },
      postMessage: (message) => {
        const copy = structuredClone(message);
        setImmediate(() => {
          if (!this.#isEnded) this.emit('message', copy);
        });
      },
    });
    import(`${url.href}?${this.#start}`).catch((error: unknown) => this.emit('error', error));
  }

  postMessage(message: unknown): void {
    const copy = structuredClone(message);
    if (this.#hears.length === 0) this.#early.push(copy);
    else this.#deliver(copy);
  }

  /** No thread, so nothing that would keep the process alive. */
  ref(): void {}

  unref(): void {}

  terminate(): Promise<number> {
    this.#isEnded = true;
    ports.delete(this.#start);
    return Promise.resolve(0);
  }

  #deliver(message: unknown): void {
    setImmediate(() => {
      if (!this.#isEnded) for (const hear of this.#hears) hear(message);
    });
  }
}
