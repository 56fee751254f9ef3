import { EventEmitter } from 'node:events';
import type { FromWriter, ToWriter } from '../../buffer/protocol.ts';
import type { WriterHost } from '../../buffer/thread.ts';
import { Writer } from '../../buffer/writer.ts';

/**
 * Runs a buffer's writer in the thread of the test: messages are cloned and come in order, one a turn, as between threads. For whoever opens many buffers:
 * a thread takes 50 ms to start, and a process that starts and ends threads all the time is now and then ended by V8 (`Check failed:
 * jit_page.has_value()`, SIGTRAP). The daemon starts one in its life; it has its own in the tests that run it.
 */
export class SameThreadWriter extends EventEmitter implements WriterHost {
  readonly #writer: Writer;
  #isEnded = false;

  constructor() {
    super();
    this.#writer = new Writer({
      post: (message) => this.#soon(message, (copy: FromWriter) => this.emit('message', copy)),
      fail: (error) => this.#die(error),
    });
  }

  postMessage(message: ToWriter): void {
    this.#soon(message, (copy) => {
      try {
        this.#writer.hear(copy);
      } catch (error) {
        this.#die(error);
      }
    });
  }

  /** No thread, so nothing that would keep the process alive. */
  ref(): void {}

  /** What the writer has open stays open, as no thread ends with it: the folder of one that was not closed is to be copied, not opened again. */
  terminate(): Promise<number> {
    this.#isEnded = true;
    this.#writer.rest();
    return Promise.resolve(0);
  }

  #die(error: unknown): void {
    void this.terminate();
    this.emit('error', error);
    this.emit('exit', 1);
  }

  #soon<Message>(message: Message, take: (copy: Message) => void): void {
    const copy = structuredClone(message);
    setImmediate(() => {
      if (!this.#isEnded) take(copy);
    });
  }
}
